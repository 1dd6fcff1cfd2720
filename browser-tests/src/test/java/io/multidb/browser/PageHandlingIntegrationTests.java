package io.multidb.browser;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.microsoft.playwright.Browser;
import com.microsoft.playwright.Locator;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.Route;
import com.microsoft.playwright.options.AriaRole;
import com.microsoft.playwright.options.ForcedColors;
import com.microsoft.playwright.options.WaitUntilState;
import org.junit.jupiter.api.Test;

import static com.microsoft.playwright.assertions.PlaywrightAssertions.assertThat;
import static org.assertj.core.api.Assertions.assertThat;

/**
 * How the page is to be handled: with a keyboard, on a phone, without seeing it, and
 * without losing one's place.
 */
class PageHandlingIntegrationTests extends PageOfSample {

	private Locator sortedRows() {
		return this.page.locator("table.sources tbody th a");
	}

	/** A list in an order that the test decides. */
	private void list(List<JsonObject> sources) {
		answer("sources\\?", () -> overview(sources.toArray(JsonObject[]::new)));
	}

	private static List<JsonObject> sources(String... names) {
		List<JsonObject> sources = new ArrayList<>();
		for (String name : names) {
			sources.add(source(name));
		}
		return Collections.synchronizedList(sources);
	}

	@Test
	void worksWhereItsAddressHasTheUserAndPassword() {
		prepare(new Browser.NewContextOptions());
		this.page.navigate(sample.address().replace("://", "://operator:operator@") + "/datasources/");
		assertThat(row("main")).isVisible();
		assertThat(this.page.locator(".silence")).isHidden();
		browsers.allow("://operator:operator@localhost");
	}

	@Test
	void asksForItsDataBeforeAllOfItIsThere() {
		prepare(Browsers.as("operator"));
		AtomicBoolean answered = new AtomicBoolean();
		List<Route> held = Collections.synchronizedList(new ArrayList<>());
		this.page.onResponse((response) -> {
			if (response.url().contains("/api/sources")) {
				answered.set(true);
			}
		});
		this.page.route(Pattern.compile("/page\\.js$"), held::add);
		this.page.navigate(sample.address() + "/datasources/",
				new Page.NavigateOptions().setWaitUntil(WaitUntilState.COMMIT));
		this.page.waitForCondition(() -> answered.get() && !held.isEmpty());
		assertThat(this.page.locator("main")).hasCount(0);
		held.forEach(Route::resume);
		assertThat(row("main")).isVisible();
	}

	@Test
	void keepsTheFocusOnWhatWasPressed() {
		JsonObject broken = unavailable("shop");
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> overview(broken));
		problem("sources/shop/retry", 503, "Still down.");
		this.page.navigate(sample.address() + "/datasources/");
		button("Try shop again").press("Enter");
		assertThat(task("Try shop again")).containsText("failed");
		assertThat(button("Try shop again")).isFocused();
		browsers.allow("status of 503");
	}

	@Test
	void keepsTheFocusOnASourceThatMoves() {
		List<JsonObject> broken = Collections
			.synchronizedList(new ArrayList<>(List.of(unavailable("a"), unavailable("b"), unavailable("c"))));
		prepare(Browsers.as("operator"));
		list(broken);
		this.page.navigate(sample.address() + "/datasources/");
		button("Try c again").focus();
		Collections.rotate(broken, 1);
		assertThat(this.page.locator(".attention li > div > a")).hasText(new String[] { "c", "a", "b" });
		assertThat(button("Try c again")).isFocused();
		broken.remove(0);
		assertThat(this.page.locator(".attention li > div > a")).hasText(new String[] { "a", "b" });
		assertThat(this.page.locator("#content")).isFocused();
	}

	@Test
	void movesNoSourceFromUnderThePointer() {
		List<JsonObject> sources = sources("a", "b", "c", "d");
		prepare(Browsers.as("operator"));
		list(sources);
		this.page.navigate(sample.address() + "/datasources/#/?sort=active");
		row("b").hover();
		Collections.swap(sources, 0, 3);
		assertThat(this.page.locator(".found")).containsText("in the former order");
		assertThat(sortedRows()).hasText(new String[] { "a", "b", "c", "d" });
		this.page.mouse().move(5, 5);
		assertThat(sortedRows()).hasText(new String[] { "d", "b", "c", "a" });
		assertThat(this.page.locator(".found")).not().containsText("in the former order");
	}

	@Test
	void sortsOnAPhone() {
		open("", Browsers.as("operator").setViewportSize(360, 740));
		assertThat(row("main")).isVisible();
		assertThat(this.page.locator("thead button").first()).isHidden();
		this.page.getByLabel("Sort by").selectOption("-name");
		assertThat(this.page).hasURL(Pattern.compile("sort=-name"));
		assertThat(sortedRows().first()).hasText("user");
		this.page.setViewportSize(1280, 740);
		assertThat(this.page.getByLabel("Sort by")).isHidden();
		assertThat(this.page.locator("th.name[aria-sort=descending]")).isVisible();
	}

	@Test
	void tellsWhatHasChangedToWhoeverDoesNotSeeIt() {
		AtomicBoolean broken = new AtomicBoolean();
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> overview(broken.get() ? unavailable("shop") : source("shop")));
		problem("sources/shop/retry", 503, "Still down.");
		this.page.navigate(sample.address() + "/datasources/");
		Locator region = this.page.locator(".unseen[role=status]");
		assertThat(region).hasText("Nothing needs attention.");
		region.evaluate("(element) => { window.region = element; }");
		broken.set(true);
		assertThat(region).hasText("Needs attention: 1 source unavailable");
		assertThat(this.page.getByRole(AriaRole.HEADING, new Page.GetByRoleOptions().setName("Needs attention")))
			.isVisible();
		button("Try shop again").click();
		assertThat(region).hasText("Try shop again: failed. Still down.");
		assertThat(region.evaluate("(element) => element === window.region")).isEqualTo(true);
		browsers.allow("status of 503");
	}

	@Test
	void showsWhichFilterIsPressedInForcedColours() {
		open("#/?state=cold", Browsers.as("operator").setForcedColors(ForcedColors.ACTIVE));
		assertThat(row("user")).isVisible();
		String background = "(element) => getComputedStyle(element).backgroundColor";
		Object highlight = this.page.evaluate("""
				() => {
					const element = document.body.appendChild(document.createElement('p'));
					element.style.backgroundColor = 'Highlight';
					return getComputedStyle(element).backgroundColor;
				}""");
		assertThat(this.page.locator(".chip[aria-pressed=true]").evaluate(background)).isEqualTo(highlight);
		assertThat(this.page.locator(".chip[aria-pressed=false]").first().evaluate(background)).isNotEqualTo(highlight);
	}

	private static JsonObject[] many(int count) {
		JsonObject source = source("main");
		return IntStream.range(0, count).mapToObj((i) -> {
			JsonObject copy = source.deepCopy();
			copy.addProperty("name", "shop%03d".formatted(i));
			return copy;
		}).toArray(JsonObject[]::new);
	}

	@Test
	void comesBackToWhereOneWas() {
		JsonObject[] many = many(100);
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> overview(many));
		answer("sources/shop", () -> detail(many[70]));
		this.page.navigate(sample.address() + "/datasources/");
		Locator link = row("shop070").getByRole(AriaRole.LINK);
		link.scrollIntoViewIfNeeded();
		link.focus();
		Object before = this.page.evaluate("scrollY");
		assertThat(((Number) before).intValue()).isPositive();
		link.press("Enter");
		assertThat(this.page.locator("h1")).hasText("shop070");
		assertThat(this.page).hasTitle(Pattern.compile("^shop070 – open"));
		assertThat(this.page.evaluate("scrollY")).isEqualTo(0);
		this.page.goBack();
		assertThat(link).isFocused();
		assertThat(this.page.evaluate("scrollY")).isEqualTo(before);
		link.press("Enter");
		this.page.getByRole(AriaRole.LINK, new Page.GetByRoleOptions().setName("‹ All sources")).press("Enter");
		assertThat(link).isFocused();
		assertThat(this.page.evaluate("scrollY")).isEqualTo(before);
	}

	@Test
	void keepsTheFocusOnTheWayBackWhenTheSourceIsThere() {
		JsonObject shop = source("shop");
		List<Route> held = Collections.synchronizedList(new ArrayList<>());
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> overview(shop));
		route("sources/shop", held::add);
		this.page.navigate(sample.address() + "/datasources/");
		row("shop").getByRole(AriaRole.LINK).press("Enter");
		Locator back = this.page.getByRole(AriaRole.LINK, new Page.GetByRoleOptions().setName("‹ All sources"));
		back.focus();
		this.page.waitForCondition(() -> !held.isEmpty());
		held.remove(0)
			.fulfill(new Route.FulfillOptions().setContentType("application/json").setBody(detail(shop).toString()));
		assertThat(this.page.locator("h1")).hasText("shop");
		assertThat(back).isFocused();
	}

	@Test
	void saysInTheTitleHowManyAreBroken() {
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> overview(source("main"), unavailable("shop"), unavailable("shop2")));
		this.page.navigate(sample.address() + "/datasources/");
		assertThat(this.page).hasTitle(Pattern.compile("^\\(2\\) Sources – "));
		this.page.getByRole(AriaRole.LINK, new Page.GetByRoleOptions().setName("Servers")).click();
		assertThat(this.page).hasTitle(Pattern.compile("^\\(2\\) Servers – "));
	}

	@Test
	void turnsAPageWithoutHidingTheTablesHead() {
		JsonObject[] many = many(100);
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> {
			JsonObject overview = overview(many);
			overview.getAsJsonObject("list").addProperty("total", 1000);
			return overview;
		});
		this.page.navigate(sample.address() + "/datasources/");
		button("Next page").click();
		this.page.waitForURL(Pattern.compile("page=2"));
		assertThat((Boolean) this.page.evaluate("document.querySelector('thead').getBoundingClientRect().top"
				+ " >= document.querySelector('.top').getBoundingClientRect().bottom"))
			.isTrue();
	}

	@Test
	void goesToTheLastPageWhenThereIsLess() {
		AtomicInteger total = new AtomicInteger(1000);
		JsonObject[] many = many(100);
		prepare(Browsers.as("operator"));
		route("sources\\?", (route) -> {
			java.util.regex.Matcher asked = Pattern.compile("[?&]page=(\\d+)").matcher(route.request().url());
			int number = asked.find() ? Integer.parseInt(asked.group(1)) : 0;
			int shown = Math.max(0, Math.min(100, total.get() - number * 100));
			JsonObject overview = overview(List.of(many).subList(0, shown).toArray(JsonObject[]::new));
			JsonObject list = overview.getAsJsonObject("list");
			list.addProperty("page", number);
			list.addProperty("total", total.get());
			list.addProperty("known", 5000);
			route.fulfill(new Route.FulfillOptions().setContentType("application/json").setBody(overview.toString()));
		});
		this.page.navigate(sample.address() + "/datasources/#/?page=9");
		assertThat(this.page.locator(".pager")).containsText("801–900 of 1,000");
		total.set(120);
		assertThat(this.page.locator(".pager")).containsText("101–120 of 120");
		assertThat(this.page).hasURL(Pattern.compile("page=2$"));
		assertThat(button("Previous page")).not().hasAttribute("aria-disabled", "true");
	}

	@Test
	void showsTheFiltersThatAreInForce() {
		JsonObject[] broken = IntStream.range(0, 10)
			.mapToObj((i) -> unavailable("shop" + i))
			.toArray(JsonObject[]::new);
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> {
			JsonObject overview = overview(broken);
			overview.getAsJsonObject("list")
				.add("products", array(new JsonPrimitive("mysql"), new JsonPrimitive("sqlite")));
			return overview;
		});
		this.page.navigate(sample.address() + "/datasources/");
		Locator product = this.page.getByRole(AriaRole.COMBOBOX,
				new Page.GetByRoleOptions().setName("Product").setExact(true));
		assertThat(product.locator("option")).hasText(new String[] { "any", "mysql", "sqlite" });
		product.selectOption("sqlite");
		product.selectOption("");
		product.selectOption("sqlite");
		assertThat(this.page).hasURL(Pattern.compile("product=sqlite"));
		this.page.getByText("All 10 that are unavailable").click();
		assertThat(this.page).not().hasURL(Pattern.compile("product=sqlite"));
		assertThat(product).hasValue("");
	}

	@Test
	void keepsWhatWasFilledInUntilItIsAccepted() throws Exception {
		open("");
		button("Add a source…").click();
		dialog().getByLabel("Name", new Locator.GetByLabelOptions().setExact(true)).fill("main");
		dialog().getByLabel("URL").fill("jdbc:sqlite:data/filled.db");
		dialogButton("Add").click();
		assertThat(dialog().locator(".problem")).isVisible();
		assertThat(dialog().getByLabel("URL")).hasValue("jdbc:sqlite:data/filled.db");
		dialog().getByLabel("Name", new Locator.GetByLabelOptions().setExact(true)).fill("filled");
		dialogButton("Add").click();
		assertThat(dialog()).isHidden();
		assertThat(this.page.locator("h1")).hasText("filled");
		assertThat(task("Add filled")).containsText("done");
		assertThat(this.page.locator(".tasks li")).hasCount(1);
		sample.send("DELETE", "/actuator/datasources/filled", "", "operator");
		browsers.allow("status of 4");
	}

	@Test
	void callsTheOrderWhatItIs() {
		open("");
		this.page.getByRole(AriaRole.BUTTON, new Page.GetByRoleOptions().setName("Connections")).click();
		assertThat(this.page.locator("th.active")).hasAttribute("aria-sort", "descending");
		this.page.getByRole(AriaRole.BUTTON, new Page.GetByRoleOptions().setName("Connections")).click();
		assertThat(this.page.locator("th.active")).hasAttribute("aria-sort", "ascending");
	}

	@Test
	void aNameTurnsNothingAround() {
		JsonObject turned = source("shop");
		turned.addProperty("displayName", "متجر \u202Eevil");
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> overview(turned));
		this.page.navigate(sample.address() + "/datasources/");
		assertThat(this.page.locator(".display")).hasCSS("unicode-bidi", "isolate");
	}

	@Test
	void fitsOnAPhoneHoweverLongNamesAre() {
		String host = "db-primary-0.prod.eu-central-1.rds.internal.example.com:5432";
		JsonObject shop = source("shop");
		shop.addProperty("url", "jdbc:postgresql://" + host + "/" + "customers".repeat(20));
		shop.addProperty("server", host);
		waiting(shop, 1257);
		JsonObject server = object(Map.of("server", host));
		Map.of("limit", 20, "inUse", 20, "idle", 0, "waiting", 3, "stolen", 1234567).forEach(server::addProperty);
		JsonObject route = object(Map.of("source", "main"));
		route.add("tenants",
				array(IntStream.range(0, 60)
					.mapToObj((i) -> new JsonPrimitive("chat-10" + i))
					.toArray(JsonPrimitive[]::new)));
		prepare(Browsers.as("operator").setViewportSize(360, 740));
		answer("sources\\?", () -> {
			JsonObject overview = overview(shop);
			overview.getAsJsonObject("list").add("servers", array(server));
			overview.getAsJsonObject("list").add("routes", array(route));
			attention(overview).add("servers", some(array(server)));
			attention(overview).add("waiting", some(array(shop)));
			return overview;
		});
		answer("sources/shop", () -> {
			JsonObject detail = detail(shop);
			detail.getAsJsonObject("details")
				.add("attributes",
						object(Map.of("a_name_of_an_attribute_that_is_as_long_as_it_may_be", "x".repeat(99))));
			return detail;
		});
		for (String hash : new String[] { "", "#/servers", "#/tenants", "#/sources/shop" }) {
			this.page.navigate(sample.address() + "/datasources/" + hash);
			assertThat(this.page.locator("h1, .problem")).hasCount(1);
			assertThat(this.page.locator(".scroll, dl").first()).isVisible();
			assertThat(this.page.evaluate("document.documentElement.scrollWidth")).as(hash).isEqualTo(360);
		}
		Object narrowest = this.page
			.evaluate("Math.min(...[...document.querySelectorAll('dd')].map((each) => each.offsetWidth))");
		assertThat(((Number) narrowest).intValue()).isGreaterThan(150);
	}

	private static void waiting(JsonObject source, int threads) {
		JsonObject pool = source.getAsJsonObject("pool");
		Map.of("active", 100, "idle", 0, "pending", threads, "max", 100).forEach(pool::addProperty);
	}

	@Test
	void whatIsWaitedForCoversNothing() {
		JsonObject shop = source("shop");
		waiting(shop, 1257);
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> overview(shop));
		this.page.navigate(sample.address() + "/datasources/");
		assertThat(row("shop").locator(".waiting")).hasText("1,257 waiting");
		Object covers = row("shop").evaluate("(row) => row.querySelector('.waiting').getBoundingClientRect().right"
				+ " > row.querySelector('.migrations').getBoundingClientRect().left");
		assertThat(covers).isEqualTo(false);
	}

	@Test
	void whatDrainsDoesNotLookBroken() {
		JsonObject drained = source("main");
		JsonObject left = object(Map.of("since", Instant.now().toString(), "deadline", Instant.now().toString()));
		left.addProperty("connections", 3);
		drained.add("draining", left);
		prepare(Browsers.as("operator"));
		answer("sources/main$", () -> detail(drained));
		this.page.navigate(sample.address() + "/datasources/#/sources/main");
		String colour = "(element) => getComputedStyle(element).color";
		assertThat(this.page.locator(".card.warn p").evaluate(colour))
			.isEqualTo(this.page.locator("h1").evaluate(colour));
	}

	@Test
	void linesOfThePlotAreToldApartWithoutColours() {
		open("#/sources/courts");
		assertThat(this.page.locator("canvas")).isVisible();
		this.page
			.waitForCondition(() -> this.page.evaluate("window.Chart?.getChart('plot') !== undefined").equals(true));
		Object dashes = this.page.evaluate("window.Chart.getChart('plot').legend.legendItems"
				+ ".map((each) => `${each.text} ${each.lineDash}`).join('; ')");
		assertThat(dashes).isEqualTo("In use ; Idle 6,4; Waiting 2,3");
	}

	@Test
	void copiesWhatIsKnownOfASourceForATicket() {
		JsonObject broken = unavailable("shop");
		prepare(Browsers.as("operator"));
		this.page.context().grantPermissions(List.of("clipboard-read", "clipboard-write"));
		answer("sources/shop", () -> {
			JsonObject detail = detail(broken);
			detail.addProperty("node", "pod-a, process 1");
			detail.getAsJsonObject("details")
				.add("events", array(object(
						Map.of("at", "2026-01-02T03:04:05Z", "type", "unavailable", "message", "Connection refused"))));
			return detail;
		});
		// A host without TLS has no clipboard of its own.
		for (boolean secure : new boolean[] { true, false }) {
			this.page.navigate(sample.address() + "/datasources/#/sources/shop");
			this.page.reload();
			assertThat(this.page.locator("h1")).hasText("shop");
			this.page.evaluate("window.clipboard = navigator.clipboard; navigator.clipboard.writeText('nothing')");
			if (!secure) {
				this.page.evaluate(
						"() => Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })");
			}
			Locator copy = button("Copy as text");
			copy.evaluate(
					"(button) => { window.titles = []; new MutationObserver(() => titles.push(button.textContent))"
							+ ".observe(button, { subtree: true, childList: true, characterData: true }); }");
			copy.press("Enter");
			assertThat(this.page.locator(".unseen[role=status]")).hasText("What is known of shop is copied.");
			Object text = this.page.evaluate("window.clipboard.readText()");
			assertThat(text).asString()
				.startsWith("Source shop of sample\nAt 20")
				.contains("on node pod-a, process 1", "State: unavailable since 20", ": Connection refused",
						"URL: jdbc:sqlite:data/main.db", "2026-01-02T03:04:05Z unavailable: Connection refused");
			assertThat(copy).isFocused();
			assertThat(this.page.evaluate("titles.join()")).isEqualTo("Copied,Copy as text");
		}
	}

	@Test
	void takesNoWordOfATaskForAName() {
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> overview(unavailable("again"), unavailable("shop")));
		route("sources/shop/retry", (route) -> {
			// Never answered
		});
		this.page.navigate(sample.address() + "/datasources/");
		button("Try shop again").click();
		assertThat(task("Try shop again")).containsText("is running");
		assertThat(button("Try shop again")).isDisabled();
		assertThat(button("Try again again")).isEnabled();
	}

}
