package io.multidb.browser;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;

import com.microsoft.playwright.Locator;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.options.ColorScheme;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

import static com.microsoft.playwright.assertions.PlaywrightAssertions.assertThat;

/**
 * The pictures in README and guide: the sample on PostgreSQL, with a few elections that
 * vote and an archive that has been lost. {@code ./mvnw verify -Pbrowser -Dscreenshots}
 * writes them anew.
 */
@EnabledIfSystemProperty(named = "screenshots", matches = ".*")
class ScreenshotsIntegrationTests {

	private static final Path IMAGES = Path.of("..", "docs", "images");

	@TempDir
	private Path folder;

	private final AtomicBoolean ended = new AtomicBoolean();

	@Test
	void takePictures() throws Exception {
		com.microsoft.playwright.assertions.PlaywrightAssertions.setDefaultAssertionTimeout(60_000);
		Files.createDirectories(IMAGES);
		try (EmbeddedPostgres postgres = EmbeddedPostgres.builder().setServerConfig("max_connections", "40").start()) {
			for (String name : new String[] { "main", "archive", "courts", "apps" }) {
				execute(postgres, "create database " + name);
			}
			List<String> options = new ArrayList<>(List.of("--spring.profiles.active=postgres",
					"--postgres.server=jdbc:postgresql://localhost:" + postgres.getPort(),
					"--app.tenancy.servers.db1.max-connections=20",
					"--app.datasources.main.hikari.maximum-pool-size=8"));
			for (String name : new String[] { "main", "archive", "courts", "default", "election", "server" }) {
				options.add("--app.datasources." + name + ".server=db1");
			}
			try (RunningSample sample = RunningSample.start(this.folder, options.toArray(String[]::new));
					Browsers browsers = new Browsers()) {
				take(postgres, sample, browsers);
			}
		}
	}

	private void take(EmbeddedPostgres postgres, RunningSample sample, Browsers browsers) throws Exception {
		for (String election : new String[] { "mayor", "council", "village-sintra" }) {
			sample.send("POST", "/elections/" + election + "/votes", "{'candidate':'Ada'}", "");
		}
		sample.send("POST", "/apps/auth/records", "{'text':'ada logged in'}", "");
		sample.send("POST", "/actuator/datasources/archive/drain", "{}", "operator");
		execute(postgres, "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'archive'");
		execute(postgres, "alter database archive rename to archive_lost");
		sample.send("POST", "/chats/1001/messages", "{'text':'Hello'}", "");
		ExecutorService users = Executors.newFixedThreadPool(6);
		for (int i = 0; i < 6; i++) {
			String chat = "/chats/" + i + "/messages";
			users.execute(() -> use(sample, chat));
		}
		try {
			Page page = browsers.open(sample, Browsers.as("operator").setViewportSize(1280, 760));
			page.navigate(sample.address() + "/datasources/#/sources/main");
			assertThat(page.locator("canvas")).isVisible();
			page.waitForTimeout(45_000);
			shot(page, "source.png");
			page.navigate(sample.address() + "/datasources/#/");
			assertThat(page.locator(".attention")).containsText("archive");
			page.waitForTimeout(1_000);
			shot(page, "page-light.png");
			Page dark = browsers.open(sample,
					Browsers.as("operator").setViewportSize(1280, 760).setColorScheme(ColorScheme.DARK));
			dark.navigate(sample.address() + "/datasources/#/");
			assertThat(dark.locator("table.sources tbody tr").first()).isVisible();
			dark.waitForTimeout(2_500);
			shot(dark, "page-dark.png");
			if (System.getProperty("screenshots").equals("all")) {
				more(sample, browsers);
			}
		}
		finally {
			this.ended.set(true);
			users.shutdownNow();
		}
	}

	/** To be looked at, not kept. */
	private void more(RunningSample sample, Browsers browsers) throws IOException {
		Path folder = Files.createDirectories(Path.of("target", "pictures"));
		String[][] views = { { "", "list" }, { "#/servers", "servers" }, { "#/tenants/election-mayor", "tenants" },
				{ "#/sources/main", "source" }, { "#/sources/archive", "broken" } };
		for (String[] view : views) {
			for (int width : new int[] { 375, 1280 }) {
				Page page = browsers.open(sample, Browsers.as("operator").setViewportSize(width, 800));
				page.navigate(sample.address() + "/datasources/" + view[0]);
				page.waitForTimeout(4_000);
				page.screenshot(new Page.ScreenshotOptions().setPath(folder.resolve(view[1] + "-" + width + ".png"))
					.setFullPage(true));
			}
		}
		Page page = browsers.open(sample, Browsers.as("operator").setViewportSize(1280, 800));
		page.navigate(sample.address() + "/datasources/");
		page.locator(".attention button").click();
		page.waitForTimeout(1_000);
		page.getByText("Add a source…").click();
		page.waitForTimeout(1_500);
		page.screenshot(new Page.ScreenshotOptions().setPath(folder.resolve("dialog.png")));
	}

	private static void shot(Page page, String name) {
		Locator body = page.locator("body");
		assertThat(body).isVisible();
		page.screenshot(new Page.ScreenshotOptions().setPath(IMAGES.resolve(name)));
	}

	private void use(RunningSample sample, String chat) {
		while (!this.ended.get()) {
			try {
				sample.send("POST", chat, "{'text':'Hello'}", "");
				sample.send("GET", "/chats", "", "");
			}
			catch (IOException ex) {
				// The sample ends before its users do.
				return;
			}
			catch (InterruptedException ex) {
				Thread.currentThread().interrupt();
				return;
			}
		}
	}

	private static void execute(EmbeddedPostgres postgres, String sql) throws Exception {
		try (Connection connection = postgres.getPostgresDatabase().getConnection();
				Statement statement = connection.createStatement()) {
			statement.execute(sql);
		}
	}

}
