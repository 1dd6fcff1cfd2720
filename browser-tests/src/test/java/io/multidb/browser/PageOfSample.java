package io.multidb.browser;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.function.Supplier;
import java.util.regex.Pattern;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.microsoft.playwright.Browser;
import com.microsoft.playwright.Locator;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.Route;
import com.microsoft.playwright.options.AriaRole;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

import static com.microsoft.playwright.assertions.PlaywrightAssertions.assertThat;
import static org.assertj.core.api.Assertions.assertThat;

/**
 * A sample that runs, a browser that tells of every violation of its policy, every error,
 * and every request to another host, and in it the page. Single answers can be replaced
 * by what a proxy, a broken or a newer server would say.
 */
abstract class PageOfSample {

	@TempDir
	static Path folder;

	static RunningSample sample;

	static Browsers browsers;

	Page page;

	@BeforeAll
	static void start() throws Exception {
		com.microsoft.playwright.assertions.PlaywrightAssertions.setDefaultAssertionTimeout(60_000);
		sample = RunningSample.start(folder, "--app.tenancy.catalog.poll-interval=1s");
		browsers = new Browsers();
	}

	@AfterAll
	static void stop() throws Exception {
		if (browsers != null) {
			browsers.close();
		}
		if (sample != null) {
			sample.close();
		}
	}

	@AfterEach
	void nothingWentWrongInTheBrowser() {
		if (this.page != null && !this.page.isClosed()) {
			this.page.unrouteAll();
		}
		browsers.assertContent();
	}

	final void open(String hash) {
		open(hash, Browsers.as("operator"));
	}

	final void open(String hash, Browser.NewContextOptions options) {
		prepare(options);
		this.page.navigate(sample.address() + "/datasources/" + hash);
	}

	/** A window that is empty yet. */
	final void prepare(Browser.NewContextOptions options) {
		this.page = browsers.open(sample, options);
	}

	final Locator row(String source) {
		return this.page.locator("table.sources tbody tr")
			.filter(new Locator.FilterOptions().setHas(
					this.page.getByRole(AriaRole.LINK, new Page.GetByRoleOptions().setName(source).setExact(true))));
	}

	final Locator button(String name) {
		return this.page.getByRole(AriaRole.BUTTON, new Page.GetByRoleOptions().setName(name).setExact(true));
	}

	/** Unless the page has just done by itself what the button is for. */
	final void clickUnlessGone(String button) {
		this.page.evaluate("(name) => [...document.querySelectorAll('button')]"
				+ ".find((each) => each.textContent.trim() === name)?.click()", button);
	}

	final Locator dialog() {
		return this.page.getByRole(AriaRole.DIALOG);
	}

	final Locator dialogButton(String name) {
		return dialog().getByRole(AriaRole.BUTTON, new Locator.GetByRoleOptions().setName(name).setExact(true));
	}

	final Locator task(String title) {
		return this.page.locator(".tasks li").filter(new Locator.FilterOptions().setHasText(title)).first();
	}

	/** Answers a request by what is computed anew each time. */
	final void answer(String path, Supplier<JsonObject> body) {
		answer(path, 200, "application/json", () -> body.get().toString());
	}

	final void answer(String path, int status, String type, Supplier<String> body) {
		route(path, (route) -> route
			.fulfill(new Route.FulfillOptions().setStatus(status).setContentType(type).setBody(body.get())));
	}

	final void problem(String path, int status, String detail) {
		JsonObject body = new JsonObject();
		body.addProperty("status", status);
		body.addProperty("detail", detail);
		answer(path, status, "application/problem+json", body::toString);
	}

	final void route(String path, java.util.function.Consumer<Route> handler) {
		this.page.route(Pattern.compile("/datasources/api/" + path), handler);
	}

	/** What the server says to an operator, to be changed. */
	static JsonObject asked(String path) {
		try {
			HttpResponse<String> response = sample.send("GET", "/datasources/api/" + path, "", "operator");
			assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
			return JsonParser.parseString(response.body()).getAsJsonObject();
		}
		catch (IOException ex) {
			throw new AssertionError(ex);
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new AssertionError(ex);
		}
	}

	/** A list of these sources alone. */
	static JsonObject overview(JsonObject... sources) {
		JsonObject overview = asked("sources?size=1");
		overview.addProperty("now", Instant.now().toString());
		JsonObject list = overview.getAsJsonObject("list");
		JsonObject attention = list.getAsJsonObject("attention");
		JsonArray all = new JsonArray();
		JsonArray broken = new JsonArray();
		JsonObject states = new JsonObject();
		for (JsonObject source : sources) {
			all.add(source);
			String status = source.getAsJsonObject("state").get("status").getAsString();
			if (status.equals("unavailable")) {
				broken.add(source);
			}
			int former = states.has(status) ? states.get(status).getAsInt() : 0;
			states.addProperty(status, former + 1);
		}
		list.add("sources", all);
		list.add("states", states);
		list.addProperty("total", sources.length);
		list.addProperty("known", sources.length);
		list.addProperty("size", 100);
		attention.add("states", states);
		attention.add("unavailable", some(broken));
		for (String kind : new String[] { "waiting", "fallbacks", "replicasLeftOut", "migrationsFailed", "draining",
				"servers" }) {
			attention.add(kind, some(new JsonArray()));
		}
		return overview;
	}

	/** The first few of something that needs attention. */
	static JsonObject some(JsonArray all) {
		JsonArray first = new JsonArray();
		for (int i = 0; i < Math.min(8, all.size()); i++) {
			first.add(all.get(i));
		}
		JsonObject some = new JsonObject();
		some.addProperty("total", all.size());
		some.add("first", first);
		return some;
	}

	static JsonObject attention(JsonObject overview) {
		return overview.getAsJsonObject("list").getAsJsonObject("attention");
	}

	static JsonArray array(JsonElement... elements) {
		JsonArray array = new JsonArray();
		for (JsonElement element : elements) {
			array.add(element);
		}
		return array;
	}

	/** What the server says of a source, with that source instead of its own. */
	static JsonObject detail(JsonObject source) {
		JsonObject detail = asked("sources/main");
		detail.getAsJsonObject("details").add("source", source);
		return detail;
	}

	static JsonObject source(String name) {
		JsonObject source = asked("sources/main").getAsJsonObject("details").getAsJsonObject("source");
		source.addProperty("name", name);
		source.remove("lastError");
		source.add("state", object(Map.of("status", "open")));
		JsonObject pool = new JsonObject();
		Map.of("active", 1, "idle", 2, "pending", 0, "max", 10).forEach(pool::addProperty);
		source.add("pool", pool);
		return source;
	}

	static JsonObject unavailable(String name) {
		JsonObject source = source(name);
		JsonObject state = new JsonObject();
		state.addProperty("status", "unavailable");
		state.addProperty("since", Instant.now().minus(Duration.ofSeconds(90)).toString());
		state.addProperty("reason", "Connection refused");
		state.addProperty("nextTry", Instant.now().plus(Duration.ofSeconds(30)).toString());
		source.add("state", state);
		source.remove("pool");
		return source;
	}

	static JsonObject object(Map<String, String> values) {
		JsonObject object = new JsonObject();
		values.forEach(object::addProperty);
		return object;
	}

	final Object focused() {
		return this.page.evaluate(
				"(document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent).trim()");
	}

}
