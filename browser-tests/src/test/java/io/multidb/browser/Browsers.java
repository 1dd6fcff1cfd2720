package io.multidb.browser;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

import com.microsoft.playwright.Browser;
import com.microsoft.playwright.BrowserContext;
import com.microsoft.playwright.BrowserType;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.Playwright;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The installed Chromium, and what it complained of.
 */
final class Browsers implements AutoCloseable {

	private final Playwright playwright = Playwright
		.create(new Playwright.CreateOptions().setEnv(Map.of("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")));

	private final Browser browser = this.playwright.chromium()
		.launch(new BrowserType.LaunchOptions().setExecutablePath(chromium())
			.setArgs(List.of("--no-sandbox", "--disable-background-networking", "--disable-component-update",
					"--disable-sync", "--no-first-run", "--disable-gpu")));

	private final List<String> complaints = new ArrayList<>();

	private final List<String> allowed = new ArrayList<>();

	private final List<BrowserContext> contexts = new ArrayList<>();

	private static Path chromium() {
		return Stream
			.of(System.getenv().getOrDefault("CHROMIUM", "/usr/bin/chromium"), "/usr/bin/chromium-browser",
					"/usr/bin/google-chrome")
			.map(Path::of)
			.filter(Files::isExecutable)
			.findFirst()
			.orElseThrow(() -> new IllegalStateException(
					"No Chromium: install it (apt-get install chromium), or name it by the variable CHROMIUM"));
	}

	/** A window of its own, in which whatever goes wrong is remembered. */
	Page open(RunningSample sample, Browser.NewContextOptions options) {
		BrowserContext context = this.browser.newContext(options);
		context.setDefaultTimeout(60_000);
		this.contexts.add(context);
		context.addInitScript("addEventListener('securitypolicyviolation',"
				+ " (event) => console.error('violates ' + event.violatedDirective + ': ' + event.blockedURI))");
		context.onRequest((request) -> {
			if (!request.url().startsWith(sample.address() + "/") && !request.url().startsWith("data:")) {
				this.complaints.add("asks another host: " + request.url());
			}
		});
		context.onWebError((error) -> this.complaints.add("fails: " + error.error()));
		context.onConsoleMessage((message) -> {
			// Where it is refused, a browser looks for an icon by itself.
			boolean icon = message.location().contains("/favicon.ico");
			if (List.of("error", "warning").contains(message.type()) && !icon) {
				this.complaints.add("says: " + message.text() + " at " + message.location());
			}
		});
		context.onDialog((dialog) -> {
			this.complaints.add("asks: " + dialog.message());
			dialog.dismiss();
		});
		return context.newPage();
	}

	static Browser.NewContextOptions as(String user) {
		return new Browser.NewContextOptions().setHttpCredentials(user, user).setViewportSize(1280, 800);
	}

	/**
	 * Closes all windows. A page asks again until then, and a browser tells of an answer
	 * when it likes: only now is it known what was complained of.
	 */
	void assertContent() {
		this.contexts.forEach(BrowserContext::close);
		this.contexts.clear();
		List<String> unexpected = this.complaints.stream()
			.filter((complaint) -> this.allowed.stream().noneMatch(complaint::contains))
			.toList();
		this.complaints.clear();
		this.allowed.clear();
		assertThat(unexpected).isEmpty();
	}

	/** What this test provokes, whenever it is told. */
	void allow(String part) {
		this.allowed.add(part);
	}

	@Override
	public void close() {
		this.browser.close();
		this.playwright.close();
	}

}
