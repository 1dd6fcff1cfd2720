package io.multidb.sample.chats;

import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;

import io.multidb.sample.SampleClient;
import io.multidb.sample.SampleFiles;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The chats over HTTP, their files seen with plain JDBC.
 */
@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT)
@DirtiesContext
class ChatsTests {

	@TempDir
	static Path data;

	private final SampleFiles files = new SampleFiles(data);

	private SampleClient sample;

	@DynamicPropertySource
	static void useTemporaryFolder(DynamicPropertyRegistry registry) {
		new SampleFiles(data).properties().forEach((name, value) -> registry.add(name, () -> value));
	}

	@BeforeEach
	void connect(@LocalServerPort int port) {
		this.sample = SampleClient.at(port);
	}

	@Test
	void givesBackWhatWasWritten() {
		this.sample.write("77", "Hello").expectStatus().isCreated();
		this.sample.write("77", "Olá, 世界 🎉\nline two").expectStatus().isCreated();
		this.sample.messages("77")
			.expectStatus()
			.isOk()
			.expectBody()
			.json("[{\"text\":\"Hello\"},{\"text\":\"Olá, 世界 🎉\\nline two\"}]");
	}

	@ParameterizedTest
	@ValueSource(strings = { "1001", "1002" })
	void mappedChatIsInTheArchive(String chat) {
		this.sample.write(chat, "Kept").expectStatus().isCreated();
		assertThat(messagesIn("archive.db", chat)).containsExactly("Kept");
		assertThat(messagesIn("main.db", chat)).isEmpty();
	}

	@ParameterizedTest
	@ValueSource(strings = { "1", "1000", "1003", "10010", "1001.", "-1001", "01001", "archive", "main", "election" })
	void everyOtherChatIsInMain(String chat) {
		this.sample.write(chat, "Hello").expectStatus().isCreated();
		assertThat(messagesIn("main.db", chat)).containsExactly("Hello");
		assertThat(messagesIn("archive.db", chat)).isEmpty();
	}

	@Test
	void chatsOfOneDatabaseAreToldApart() {
		this.sample.write("apart-1", "one").expectStatus().isCreated();
		this.sample.write("apart-2", "two").expectStatus().isCreated();
		this.sample.messages("apart-1").expectBody().json("[{\"text\":\"one\"}]");
		this.sample.messages("apart-2").expectBody().json("[{\"text\":\"two\"}]");
		this.sample.messages("apart-3").expectStatus().isOk().expectBody().json("[]");
	}

	@Test
	void chatsOfEverySourceAreListedTogether() {
		this.files.open("archive.db").sql("INSERT INTO message (chat, text) VALUES ('archived', 'one')").update();
		this.sample.write("listed", "one").expectStatus().isCreated();
		this.sample.write("listed", "two").expectStatus().isCreated();
		this.sample.get("/chats")
			.expectStatus()
			.isOk()
			.expectBody()
			.jsonPath("$.chats[?(@.id == 'listed')].messages")
			.isEqualTo(2)
			.jsonPath("$.chats[?(@.id == 'archived')].messages")
			.isEqualTo(1)
			.jsonPath("$.sources[*].source")
			.isEqualTo(List.of("archive", "main"))
			.jsonPath("$.sources[*].status")
			.isEqualTo(List.of("completed", "completed"));
	}

	@ParameterizedTest
	@ValueSource(strings = { "{}", "{\"text\":\" \"}", "{\"text\":\"a\\u0000b\"}", "{" })
	void badMessageIsRefused(String body) {
		this.sample.post("/chats/bad/messages", body).expectStatus().isBadRequest();
		assertThat(messagesIn("main.db", "bad")).isEmpty();
	}

	@ParameterizedTest
	@ValueSource(strings = { "..%2Fx", "a%00b", "it's", "1001%20", "%D9%A1%D9%A0%D9%A0%D9%A1" })
	void badChatIsRefused(String chat) {
		TreeSet<String> before = this.files.list();
		this.sample.write(chat, "Hello").expectStatus().is4xxClientError();
		this.sample.messages(chat).expectStatus().is4xxClientError();
		assertThat(this.files.list()).isEqualTo(before);
	}

	@Test
	void healthShowsEverySource() {
		this.sample.write("healthy", "Hello").expectStatus().isCreated();
		this.sample.health()
			.expectStatus()
			.isOk()
			.expectBody()
			.jsonPath("$.components.datasources.components.main.status")
			.isEqualTo("UP")
			.jsonPath("$.components.datasources.components.main.details.url")
			.isEqualTo("jdbc:sqlite:" + data.resolve("main.db"))
			.jsonPath("$.components.datasources.components.archive.details.state")
			.exists();
	}

	private List<String> messagesIn(String file, String chat) {
		return this.files.open(file)
			.sql("SELECT text FROM message WHERE chat = ?")
			.param(chat)
			.query(String.class)
			.list();
	}

}
