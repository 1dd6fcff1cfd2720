package io.multidb.sample.chats;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;

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
import org.springframework.http.MediaType;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The chats while the archive's PostgreSQL is down.
 */
class ArchiveDownTests {

	private static final String PASSWORD = "s3cret";

	@TempDir
	static Path data;

	/** Bound, but not listening: nobody else gets the port, and nobody answers. */
	private static Socket down;

	private static ConfigurableApplicationContext application;

	private static SampleClient sample;

	private static Duration startTook;

	@BeforeAll
	static void start() throws IOException {
		down = new Socket();
		down.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
		Map<String, String> properties = new HashMap<>(new SampleFiles(data).properties());
		properties.put("server.port", "0");
		properties.put("app.datasources.archive.url",
				"jdbc:postgresql://127.0.0.1:" + down.getLocalPort() + "/archive?password=" + PASSWORD);
		properties.put("app.datasources.archive.username", "archive");
		properties.put("app.datasources.archive.password", PASSWORD);
		long start = System.nanoTime();
		application = new SpringApplicationBuilder(SampleApplication.class)
			.run(properties.entrySet().stream().map(Object::toString).map("--"::concat).toArray(String[]::new));
		startTook = Duration.ofNanos(System.nanoTime() - start);
		sample = SampleClient.at(((WebServerApplicationContext) application).getWebServer().getPort());
	}

	@AfterAll
	static void stop() throws IOException {
		application.close();
		down.close();
	}

	@Test
	void applicationStarts() {
		assertThat(application.isActive()).isTrue();
		// A start that waited for the archive would take 60 s, 'startup-timeout'.
		assertThat(startTook).isLessThan(Duration.ofSeconds(50));
	}

	@Test
	void otherChatsWork() {
		sample.write("77", "Hello").expectStatus().isCreated();
		sample.messages("77").expectStatus().isOk().expectBody().json("[{\"text\":\"Hello\"}]");
	}

	@Test
	void electionsWork() {
		sample.vote("mayor", "Ada").expectStatus().isCreated();
	}

	@Test
	void itsChatsAreUnavailableAtOnce() {
		long start = System.nanoTime();
		sample.messages("1001")
			.expectStatus()
			.isEqualTo(HttpStatus.SERVICE_UNAVAILABLE)
			.expectHeader()
			.contentType(MediaType.APPLICATION_PROBLEM_JSON)
			.expectHeader()
			.value("Retry-After", (seconds) -> assertThat(Integer.parseInt(seconds)).isBetween(1, 45))
			.expectBody(String.class)
			.value((body) -> assertThat(body).contains("'archive'").doesNotContain(PASSWORD));
		sample.write("1002", "Lost").expectStatus().isEqualTo(HttpStatus.SERVICE_UNAVAILABLE);
		// A pool would have waited 30 s for a connection, each time.
		assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(10));
		assertThat(new SampleFiles(data).open("main.db")
			.sql("SELECT count(*) FROM message WHERE chat IN ('1001', '1002')")
			.query(Integer.class)
			.single()).isZero();
	}

	@Test
	void chatsOfTheOthersAreListed() {
		sample.write("76", "Hello").expectStatus().isCreated();
		sample.get("/chats")
			.expectStatus()
			.isOk()
			.expectBody()
			.jsonPath("$.chats[?(@.id == '76')].messages")
			.isEqualTo(1)
			.jsonPath("$.sources[?(@.source == 'archive')].status")
			.isEqualTo("unavailable")
			.jsonPath("$.sources[?(@.source == 'main')].status")
			.isEqualTo("completed");
	}

	@Test
	void healthSaysWhy() {
		sample.health()
			.expectStatus()
			.isEqualTo(HttpStatus.SERVICE_UNAVAILABLE)
			.expectBody()
			.jsonPath("$.status")
			.isEqualTo("DOWN")
			.jsonPath("$.components.datasources.components.archive.status")
			.isEqualTo("DOWN")
			.jsonPath("$.components.datasources.components.archive.details.error")
			.value(String.class, (error) -> assertThat(error).contains("127.0.0.1:" + down.getLocalPort(), "refused"))
			.jsonPath("$.components.datasources.components.main.status")
			.value(String.class, (status) -> assertThat(status).isNotEqualTo("DOWN"));
		sample.health().expectBody(String.class).value((body) -> assertThat(body).doesNotContain(PASSWORD));
	}

}
