package io.multidb.browser;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Pattern;

import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.microsoft.playwright.Locator;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.Request;
import com.microsoft.playwright.Route;
import com.microsoft.playwright.options.AriaRole;
import org.junit.jupiter.api.Test;

import static com.microsoft.playwright.assertions.PlaywrightAssertions.assertThat;
import static org.assertj.core.api.Assertions.assertThat;

/**
 * What the page makes of answers that are late, broken, or somebody else's: it says what
 * it knows, and no more.
 */
class PageAnswersIntegrationTests extends PageOfSample {

	private Locator fresh() {
		return this.page.locator(".fresh");
	}

	private Locator silence() {
		return this.page.locator(".silence");
	}

	@Test
	void isNotLiveWhenSomethingElseAnswers() {
		List<Object[]> strangers = List.of(new Object[] { 200, "text/html", "<html>Sign in" },
				new Object[] { 404, "text/plain", "404 page not found" },
				new Object[] { 429, "text/plain", "slow down" }, new Object[] { 200, "application/json", "{\"cut" });
		for (Object[] stranger : strangers) {
			open("");
			assertThat(row("main")).isVisible();
			assertThat(fresh()).hasText("live");
			answer("sources", (int) stranger[0], (String) stranger[1], () -> (String) stranger[2]);
			assertThat(fresh()).hasText("stale");
			assertThat(silence()).containsText("What you see is stale");
			assertThat(this.page.locator("main.stale")).isVisible();
			assertThat(row("main")).isVisible();
			this.page.unrouteAll();
			clickUnlessGone("Try now");
			assertThat(fresh()).hasText("live");
		}
		browsers.allow("status of 4");
	}

	@Test
	void saysThatASourceIsGoneOnlyIfTheApplicationSaysIt() {
		open("#/sources/main");
		assertThat(this.page.locator(".headline")).isVisible();
		answer("sources/main", 404, "text/plain", () -> "404 page not found");
		assertThat(fresh()).hasText("stale");
		assertThat(this.page.locator(".headline")).isVisible();
		this.page.unrouteAll();
		problem("sources/main", 404, "There is no source of this name");
		assertThat(this.page.locator(".problem")).hasText("There is no source of this name");
		assertThat(this.page.locator(".headline")).hasCount(0);
		assertThat(fresh()).hasText("live");
		browsers.allow("status of 404");
	}

	@Test
	void saysWhatTheServerSaysOfItsTrouble() {
		open("");
		assertThat(row("main")).isVisible();
		problem("sources", 500, "The request failed; the application's log says why.");
		assertThat(silence()).containsText("the application's log says why");
		assertThat(silence()).not().containsText("does not answer");
		browsers.allow("status of 500");
	}

	@Test
	void aTenantThatCannotBeLookedUpSpoilsNothingElse() {
		prepare(Browsers.as("operator"));
		problem("tenants/", 503, "It is not known which tenants are mapped to which source.");
		this.page.navigate(sample.address() + "/datasources/#/tenants/acme");
		assertThat(this.page.locator("main")).containsText("It is not known which tenants are mapped");
		assertThat(this.page.locator("table.routes")).isVisible();
		assertThat(fresh()).hasText("live");
		assertThat(silence()).isHidden();
		this.page.unrouteAll();
		assertThat(this.page.locator(".problem")).hasCount(0);
		browsers.allow("status of 503");
	}

	@Test
	void saysWhichNodeAnswersAndThatThereAreSeveral() {
		AtomicInteger requests = new AtomicInteger();
		AtomicBoolean several = new AtomicBoolean();
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> {
			JsonObject overview = overview(source("main"));
			overview.addProperty("node",
					(several.get() && requests.incrementAndGet() % 2 == 0) ? "pod-b, process 2" : "pod-a, process 1");
			return overview;
		});
		this.page.navigate(sample.address() + "/datasources/");
		assertThat(this.page.locator(".top")).containsText("pod-a, process 1");
		assertThat(this.page.locator(".top")).not().containsText("several nodes");
		several.set(true);
		assertThat(this.page.locator(".top")).containsText("several nodes answer");
	}

	private void replaceMain() {
		button("Replace…").click();
		dialogButton("Replace").click();
	}

	@Test
	void doesNotGuessWhatHasBecomeOfAnAction() {
		open("#/sources/main");
		answer("sources/main/replace", 504, "text/html", () -> "<html>Gateway Timeout");
		replaceMain();
		assertThat(dialog()).containsText("not known whether it was done");
		dialogButton("Cancel").click();
		assertThat(task("Replace main")).containsText("not known whether it was done");
		assertThat(task("Replace main")).not().containsText("failed");
		this.page.unrouteAll();
		button("Dismiss: Replace main").click();
		route("sources/main/replace", (route) -> route.abort());
		replaceMain();
		assertThat(dialog()).containsText("not known whether it was done");
		browsers.allow("status of 504");
		browsers.allow("ERR_FAILED");
	}

	@Test
	void doesNotWaitForEverForWhatBecomesOfAnAction() {
		prepare(Browsers.as("operator"));
		this.page.clock().install();
		this.page.navigate(sample.address() + "/datasources/#/sources/main");
		AtomicBoolean asked = new AtomicBoolean();
		route("sources/main/replace", (route) -> asked.set(true));
		replaceMain();
		this.page.waitForCondition(asked::get);
		this.page.clock().fastForward("03:00");
		assertThat(dialog()).containsText("not known whether it was done");
	}

	@Test
	void callsAnActionWhatTheServerCallsIt() {
		Map<String, String> outcomes = Map.of("not-unavailable", "not unavailable", "saved", "saved", "available",
				"done");
		outcomes.forEach((outcome, word) -> {
			prepare(Browsers.as("operator"));
			answer("sources/main$", () -> detail(unavailable("main")));
			answer("sources/main/retry", () -> object(
					Map.of("operation", "retry", "source", "main", "outcome", outcome, "message", "So it is.")));
			this.page.navigate(sample.address() + "/datasources/#/sources/main");
			button("Retry").click();
			assertThat(task("Try main again").locator(".outcome")).hasText(word);
		});
	}

	@Test
	void keepsWhatIsRunningHoweverMuchHasEnded() {
		JsonObject[] broken = new JsonObject[8];
		for (int i = 0; i < broken.length; i++) {
			broken[i] = unavailable("shop" + i);
		}
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> overview(broken));
		problem("sources/.*/retry", 503, "Still down.");
		route("sources/shop0/retry", (route) -> {
			// Never answered
		});
		this.page.navigate(sample.address() + "/datasources/");
		for (int i = 0; i < broken.length; i++) {
			button("Try shop" + i + " again").click();
			assertThat(task("Try shop" + i + " again")).isVisible();
			if (i > 0) {
				assertThat(task("Try shop" + i + " again")).containsText("failed");
			}
		}
		assertThat(task("Try shop0 again")).containsText("is running");
		browsers.allow("status of 503");
	}

	@Test
	void isStaleAtOnceAfterADayAsleep() {
		prepare(Browsers.as("operator"));
		this.page.clock().install();
		this.page.navigate(sample.address() + "/datasources/");
		assertThat(row("main")).isVisible();
		assertThat(fresh()).hasText("live");
		route("sources", (route) -> {
			// Never answered
		});
		long now = ((Number) this.page.evaluate("Date.now()")).longValue();
		// From then on time stands still, so nobody can have waited for an answer in
		// vain.
		this.page.clock().pauseAt(now + 86_400_000);
		assertThat(silence()).containsText("stale for 24 h");
		this.page.keyboard().press("Shift");
		assertThat(fresh()).hasText("stale");
		assertThat(silence()).containsText("stale for 24 h");
		this.page.clock().resume();
	}

	@Test
	void saysSoIfItCannotShowAnAnswer() {
		open("");
		assertThat(row("main")).isVisible();
		answer("sources\\?", () -> {
			JsonObject overview = overview(source("main"));
			overview.getAsJsonObject("list").remove("states");
			return overview;
		});
		Locator failure = this.page.locator("#failure");
		assertThat(failure).containsText("cannot be shown");
		assertThat(fresh()).not().isVisible();
		assertThat(failure.getByRole(AriaRole.BUTTON)).hasText("Reload");
		this.page.unrouteAll();
		assertThat(failure).isHidden();
		assertThat(fresh()).hasText("live");
		assertThat(row("archive")).isVisible();
	}

	@Test
	void pausesWhenNobodyHasTouchedItForLong() {
		prepare(Browsers.as("operator"));
		this.page.clock().install();
		this.page.navigate(sample.address() + "/datasources/");
		assertThat(row("main")).isVisible();
		this.page.clock().fastForward("16:00");
		assertThat(fresh()).hasText("paused");
		assertThat(silence()).containsText("touched");
		AtomicInteger requests = new AtomicInteger();
		this.page.onRequest((request) -> requests.incrementAndGet());
		this.page.clock().fastForward("16:00");
		this.page.waitForTimeout(3_000);
		assertThat(requests).hasValue(0);
		// Not clicked: the pointer on its way there is enough.
		button("Go on").press("Enter");
		assertThat(fresh()).hasText("live");
	}

	@Test
	void asksSoThatNoBrowserAsksForAPassword() throws Exception {
		prepare(Browsers.as("operator"));
		Request request = this.page.waitForRequest(Pattern.compile("/api/sources"),
				() -> this.page.navigate(sample.address() + "/datasources/"));
		assertThat(request.headers()).containsEntry("x-requested-with", "XMLHttpRequest");
		assertThat(row("main")).isVisible();
		Map<?, ?> answer = (Map<?, ?>) this.page.evaluate(
				"""
						() => fetch('api/sources', { credentials: 'omit', headers: { 'X-Requested-With': 'XMLHttpRequest',
								Authorization: 'Basic b3BlcmF0b3I6Zm9ybWVy' } })
							.then((response) => ({ status: response.status, asks: response.headers.get('WWW-Authenticate') }))""");
		assertThat(answer.get("status")).isEqualTo(401);
		assertThat(answer.get("asks")).isNull();
		browsers.allow("status of 401");
	}

	@Test
	void saysWhenATryIsUnderWay() {
		JsonObject late = unavailable("shop");
		late.getAsJsonObject("state").addProperty("nextTry", Instant.now().minusSeconds(12).toString());
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> overview(late));
		this.page.navigate(sample.address() + "/datasources/");
		assertThat(this.page.locator(".attention")).containsText("being tried now");
		assertThat(this.page.locator(".attention")).not().containsText("next try");
	}

	@Test
	void callsNothingCalmWhileThreadsWaitOrTheCatalogIsDown() {
		JsonObject main = source("main");
		main.addProperty("essential", true);
		JsonObject pool = new JsonObject();
		pool.addProperty("active", 10);
		pool.addProperty("idle", 0);
		pool.addProperty("pending", 57);
		pool.addProperty("max", 10);
		main.add("pool", pool);
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> {
			JsonObject overview = overview(main);
			attention(overview).add("waiting", some(array(main)));
			JsonObject catalog = object(Map.of("error", "Source 'courts' is unavailable"));
			catalog.addProperty("refused", 1);
			catalog.add("reasons", object(Map.of("shop", "Its URL has a word that is not allowed")));
			attention(overview).add("catalog", catalog);
			return overview;
		});
		this.page.navigate(sample.address() + "/datasources/");
		Locator attention = this.page.locator(".attention");
		assertThat(attention).containsText("threads wait for connections of 1 source");
		assertThat(attention).containsText("57 threads wait for a connection; 10 of 10 are in use");
		assertThat(attention).containsText("the catalog cannot be read");
		assertThat(attention).containsText("Source 'courts' is unavailable");
		assertThat(attention).containsText("Its URL has a word that is not allowed");
		assertThat(attention).not().containsText("Nothing needs attention");
	}

	@Test
	void showsWhatIsStillInUseOfWhatWasDrainedOrRemoved() {
		JsonObject drained = source("main");
		drained.add("state", object(Map.of("status", "cold")));
		drained.remove("pool");
		JsonObject left = object(Map.of("since", Instant.now().minusSeconds(5).toString(), "deadline",
				Instant.now().plusSeconds(25).toString()));
		left.addProperty("connections", 3);
		drained.add("draining", left);
		AtomicBoolean begun = new AtomicBoolean();
		prepare(Browsers.as("operator"));
		answer("sources/main$", () -> detail(begun.get() ? drained : source("main")));
		route("sources/main/drain", (route) -> {
			begun.set(true);
			route.fulfill(new Route.FulfillOptions().setContentType("application/json")
				.setBody(object(Map.of("outcome", "draining", "message", "It closes.")).toString()));
		});
		answer("sources\\?", () -> {
			JsonObject overview = overview(drained);
			attention(overview).add("draining", some(array(drained)));
			return overview;
		});
		this.page.navigate(sample.address() + "/datasources/#/sources/main");
		button("Drain…").click();
		dialogButton("Drain").click();
		assertThat(this.page.locator(".card.warn")).containsText("3 connections of its former pool are still in use");
		assertThat(task("Drain main")).containsText("Waits for 3 connections in use");
		assertThat(task("Drain main")).containsText("is running");
		this.page.getByRole(AriaRole.LINK, new Page.GetByRoleOptions().setName("Sources").setExact(true)).click();
		assertThat(this.page.locator(".attention")).containsText("main (3 connections)");
		drained.remove("draining");
		assertThat(task("Drain main")).containsText("done");
	}

	@Test
	void offersWhatAnotherVersionWouldShow() {
		open("");
		assertThat(row("main")).isVisible();
		answer("sources\\?", () -> {
			JsonObject overview = overview(source("main"));
			overview.addProperty("version", "0123456789ab");
			return overview;
		});
		assertThat(this.page.getByText("of another version than this page")).isVisible();
		assertThat(button("Reload")).isVisible();
	}

	@Test
	void offersNoMoreThanOneMayDo() {
		prepare(Browsers.as("operator"));
		answer("session", () -> {
			JsonObject session = asked("session");
			session.add("actions", array(new JsonPrimitive("drain"), new JsonPrimitive("retry")));
			return session;
		});
		this.page.navigate(sample.address() + "/datasources/");
		assertThat(row("courts")).isVisible();
		assertThat(button("Add a source…")).hasCount(0);
		row("courts").getByRole(AriaRole.LINK).click();
		assertThat(this.page.locator(".actions button")).hasText(new String[] { "Drain…" });
	}

	private static JsonObject operation(String status, String message) {
		JsonObject operation = object(Map.of("id", "4711", "operation", "migrate", "by", "olga", "via", "page",
				"status", status, "since", Instant.now().minusSeconds(20).toString(), "message", message));
		if (status.equals("done")) {
			operation.addProperty("outcome", "up-to-date");
		}
		return operation;
	}

	@Test
	void asksForAMigrationOnceAndFollowsIt() {
		JsonObject main = source("main");
		AtomicReference<JsonObject> operation = new AtomicReference<>(operation("running", "It takes longer"));
		AtomicInteger migrations = new AtomicInteger();
		prepare(Browsers.as("operator"));
		answer("sources/main$", () -> {
			JsonObject detail = detail(main);
			detail.getAsJsonObject("details").add("operations", array(operation.get()));
			return detail;
		});
		answer("sources/main/migrate", () -> {
			migrations.incrementAndGet();
			return object(Map.of("operation", "migrate", "source", "main", "outcome", "running", "message",
					"It takes longer.", "id", "4711"));
		});
		this.page.navigate(sample.address() + "/datasources/#/sources/main");
		// It was begun by somebody else: not to be begun again.
		assertThat(button("Migrating…")).isDisabled();
		operation.set(operation("done", "Its database is up to date."));
		button("Migrate…").click();
		operation.set(operation("running", "It takes longer"));
		dialogButton("Migrate").click();
		assertThat(task("Migrate main")).containsText("It takes longer");
		assertThat(dialog()).isHidden();
		operation.set(operation("failed", "Change set 7 failed: no such column"));
		assertThat(task("Migrate main")).containsText("failed");
		assertThat(task("Migrate main")).containsText("no such column");
		assertThat(migrations).hasValue(1);
		// And whoever reloads, or comes later, sees it, too.
		this.page.reload();
		assertThat(this.page.locator(".asked")).containsText("migrate failed");
		assertThat(this.page.locator(".asked")).containsText("olga by page: Change set 7 failed: no such column");
	}

	@Test
	void saysWhichSourceCouldNotBeMigrated() {
		JsonObject main = source("main");
		main.getAsJsonObject("migrations").addProperty("status", "failed");
		main.getAsJsonObject("migrations").addProperty("error", "no such column");
		prepare(Browsers.as("operator"));
		answer("sources\\?", () -> {
			JsonObject overview = overview(main);
			attention(overview).add("migrationsFailed", some(array(main)));
			return overview;
		});
		this.page.navigate(sample.address() + "/datasources/");
		assertThat(this.page.locator(".attention")).containsText("1 source not migrated");
		assertThat(this.page.locator(".attention")).containsText("no such column");
	}

	@Test
	void saysWhomARemovalWouldAffect() {
		JsonObject main = source("main");
		main.addProperty("essential", true);
		prepare(Browsers.as("operator"));
		answer("sources/main$", () -> {
			JsonObject detail = detail(main);
			detail.getAsJsonObject("details")
				.add("tenants", array(new JsonPrimitive("acme"), new JsonPrimitive("shop")));
			return detail;
		});
		this.page.navigate(sample.address() + "/datasources/#/sources/main");
		button("Remove…").click();
		assertThat(dialog()).containsText("It is essential");
		assertThat(dialog()).containsText("1 connection is in use");
		assertThat(dialog()).containsText("2 tenants are mapped to it");
	}

}
