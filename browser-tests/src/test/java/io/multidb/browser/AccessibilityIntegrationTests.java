package io.multidb.browser;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

import com.microsoft.playwright.APIResponse;
import com.microsoft.playwright.Browser;
import com.microsoft.playwright.Locator;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.Route;
import com.microsoft.playwright.options.AriaRole;
import com.microsoft.playwright.options.ColorScheme;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static com.microsoft.playwright.assertions.PlaywrightAssertions.assertThat;
import static org.assertj.core.api.Assertions.assertThat;

/**
 * Whether everybody can use the page, as far as axe-core, by which others look at that,
 * can tell: by light and in the dark, on a screen and on a phone, of each view and
 * dialog.
 */
class AccessibilityIntegrationTests {

	/** What it finds and calls serious or critical. */
	private static final String FIND = """
			() => axe.run(document).then((found) => found.violations
				.filter((each) => ['serious', 'critical'].includes(each.impact))
				.flatMap((each) => each.nodes.map((node) => `${each.id} (${each.impact}): ${node.html} ${node.failureSummary}`)))""";

	@TempDir
	static Path folder;

	private static RunningSample sample;

	private static Browsers browsers;

	private static String axe;

	@BeforeAll
	static void start() throws Exception {
		com.microsoft.playwright.assertions.PlaywrightAssertions.setDefaultAssertionTimeout(60_000);
		axe = read("/axe.min.js");
		Path changeLog = folder.resolve("stock.yaml");
		BrokenSource.breakUp(changeLog);
		sample = RunningSample.start(folder, BrokenSource.options(changeLog));
		sample.send("POST", "/actuator/datasources/tenants/chat-4711", "{'source':'archive'}", "operator");
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

	private static String read(String resource) throws IOException {
		try (InputStream stream = AccessibilityIntegrationTests.class.getResourceAsStream(resource)) {
			return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
		}
	}

	/** Not as an element of the page, whose policy would not let it run. */
	private static List<String> violations(Page page, String where) {
		page.evaluate(axe);
		return ((List<?>) page.evaluate(FIND)).stream().map((each) -> where + ": " + each).toList();
	}

	@ParameterizedTest
	@CsvSource({ "LIGHT,1280", "DARK,1280", "LIGHT,360", "DARK,360" })
	void nothingIsInAnybodysWay(ColorScheme scheme, int width) {
		Browser.NewContextOptions options = Browsers.as("operator")
			.setColorScheme(scheme)
			.setViewportSize(width, 800)
			.setReducedMotion(com.microsoft.playwright.options.ReducedMotion.REDUCE);
		Page page = browsers.open(sample, options);
		// The sample's files need no server.
		page.route(Pattern.compile("/api/sources\\?"), (route) -> {
			// Asked like this, the server would not ask for the password that only then
			// is sent along.
			Map<String, String> headers = new HashMap<>(route.request().headers());
			headers.remove("x-requested-with");
			APIResponse response = route.fetch(new Route.FetchOptions().setHeaders(headers));
			route.fulfill(new Route.FulfillOptions().setResponse(response)
				.setBody(response.text()
					.replaceFirst("\"servers\":\\[\\]",
							"\"servers\":[{\"server\":\"db1:5432\",\"limit\":20,\"inUse\":20,\"idle\":0,\"waiting\":3,\"stolen\":7}]")));
		});
		List<String> violations = new ArrayList<>();
		page.navigate(sample.address());
		violations.addAll(violations(page, "home"));
		for (String hash : List.of("", "#/?search=nowhere", "#/servers", "#/tenants", "#/tenants/chat-4711",
				"#/sources/main", "#/sources/archive", "#/sources/stock", "#/sources/nowhere")) {
			page.navigate(sample.address() + "/datasources/" + hash);
			page.reload();
			assertThat(page.locator("h1")).hasCount(1);
			assertThat(page.locator(".fresh")).hasText("live");
			violations.addAll(violations(page, hash));
		}
		page.navigate(sample.address() + "/datasources/#/sources/stock");
		assertThat(page.locator("h1")).hasText("stock");
		for (String action : List.of("Migrate…", "Map a tenant…", "Replace…", "Remove…")) {
			button(page, action).click();
			Locator dialog = page.getByRole(AriaRole.DIALOG);
			assertThat(dialog).isVisible();
			violations.addAll(violations(page, action));
			page.keyboard().press("Escape");
			assertThat(dialog).isHidden();
		}
		button(page, "Retry").click();
		assertThat(page.locator(".tasks")).containsText("failed");
		violations.addAll(violations(page, "what has failed"));
		page.navigate(sample.address() + "/datasources/#/");
		button(page, "Add a source…").click();
		violations.addAll(violations(page, "adding"));
		page.unrouteAll();
		assertThat(violations).isEmpty();
		browsers.allow("status of 404");
		browsers.allow("status of 503");
		browsers.assertContent();
	}

	@Test
	void whatStandsInTheWayWouldBeSeen() {
		Page page = browsers.open(sample, Browsers.as("operator"));
		page.navigate(sample.address() + "/datasources/");
		assertThat(page.locator("h1")).hasCount(1);
		page.evaluate(
				"document.querySelector('#search').closest('label').replaceWith(document.createElement('input'))");
		assertThat(violations(page, "")).asString().contains("label (critical)");
	}

	private static Locator button(Page page, String name) {
		return page.getByRole(AriaRole.BUTTON, new Page.GetByRoleOptions().setName(name).setExact(true));
	}

}
