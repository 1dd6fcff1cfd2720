package io.multidb.sample.chats;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

import io.multidb.sample.SampleApplication;
import io.multidb.sample.SampleClient;
import io.multidb.sample.SampleFiles;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.web.server.context.WebServerApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.http.HttpStatus;
import org.springframework.http.HttpStatusCode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * The chats with the profile {@code fallback}, while main goes and comes back and
 * messages are sent all the time.
 */
class FallbackTests {

	@TempDir
	static Path data;

	private static ConfigurableApplicationContext application;

	private static SampleClient sample;

	@BeforeAll
	static void start() throws IOException {
		Map<String, String> properties = new HashMap<>(new SampleFiles(data).properties());
		Files.createDirectory(data.resolve("main"));
		properties.put("server.port", "0");
		properties.put("app.datasources.main.url", "jdbc:sqlite:" + data.resolve("main/main.db"));
		properties.put("app.datasources.copy.url", "jdbc:sqlite:" + data.resolve("copy.db"));
		application = new SpringApplicationBuilder(SampleApplication.class).profiles("fallback")
			.run(properties.entrySet().stream().map(Object::toString).map("--"::concat).toArray(String[]::new));
		sample = SampleClient.at(((WebServerApplicationContext) application).getWebServer().getPort());
		new SampleFiles(data).open("copy.db")
			.sql("INSERT INTO message (chat, text) VALUES ('77', 'from the copy')")
			.update();
	}

	@AfterAll
	static void stop() {
		application.close();
	}

	@Test
	void chatsAreReadFromTheCopyWhileMainIsDownAndNothingIsLost() throws IOException {
		AtomicBoolean sending = new AtomicBoolean(true);
		AtomicInteger number = new AtomicInteger();
		AtomicInteger refused = new AtomicInteger();
		List<String> accepted = new CopyOnWriteArrayList<>();
		List<CompletableFuture<Void>> senders = new ArrayList<>();
		for (int i = 0; i < 3; i++) {
			senders.add(CompletableFuture.runAsync(() -> {
				while (sending.get()) {
					String text = "message " + number.incrementAndGet();
					HttpStatusCode status = sample.write("77", text).returnResult(String.class).getStatus();
					if (status.equals(HttpStatus.CREATED)) {
						accepted.add(text);
					}
					else {
						assertThat(status).isEqualTo(HttpStatus.SERVICE_UNAVAILABLE);
						refused.incrementAndGet();
					}
				}
			}, (task) -> new Thread(task).start()));
		}
		try {
			await().until(() -> accepted.size() > 10);
			goDown(refused);
			sample.messages("77").expectStatus().isOk().expectBody().json("[{\"text\":\"from the copy\"}]");
			sample.write("77", "refused")
				.expectStatus()
				.isEqualTo(HttpStatus.SERVICE_UNAVAILABLE)
				.expectHeader()
				.exists("Retry-After");
			sample.health()
				.expectBody()
				.jsonPath("$.components.datasources.components.main.status")
				.isEqualTo("DOWN")
				.jsonPath("$.components.datasources.components.main.details.fallback")
				.isEqualTo("copy");
			int before = accepted.size();
			Files.move(data.resolve("elsewhere"), data.resolve("main"));
			// By itself, when it is tried next.
			await().until(() -> accepted.size() > before + 10);
		}
		finally {
			sending.set(false);
		}
		senders.forEach(CompletableFuture::join);
		sample.health()
			.expectStatus()
			.isOk()
			.expectBody()
			.jsonPath("$.components.datasources.components.main.details.fallback")
			.doesNotExist();
		assertThat(textsIn("main/main.db")).containsExactlyInAnyOrderElementsOf(accepted);
		assertThat(textsIn("copy.db")).containsExactly("from the copy");
	}

	/** Which is noticed by itself, though its files are open. */
	private static void goDown(AtomicInteger refused) throws IOException {
		Files.move(data.resolve("main"), data.resolve("elsewhere"));
		await().until(() -> refused.get() > 10);
	}

	private static List<String> textsIn(String file) {
		return new SampleFiles(data).open(file).sql("SELECT text FROM message").query(String.class).list();
	}

}
