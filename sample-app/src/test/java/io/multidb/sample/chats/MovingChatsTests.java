package io.multidb.sample.chats;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

import com.jayway.jsonpath.JsonPath;
import io.multidb.routing.TenantMappings;
import io.multidb.sample.SampleApplication;
import io.multidb.sample.SampleClient;
import io.multidb.sample.SampleFiles;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.web.server.context.WebServerApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.http.HttpStatus;
import org.springframework.http.HttpStatusCode;
import org.springframework.http.MediaType;
import org.springframework.test.web.servlet.client.EntityExchangeResult;
import org.springframework.test.web.servlet.client.RestTestClient.ResponseSpec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Chats that are moved from one source to another, on two nodes that share the files.
 */
class MovingChatsTests {

	@TempDir
	static Path data;

	private static ConfigurableApplicationContext first;

	private static ConfigurableApplicationContext second;

	private static SampleClient sample;

	private static SampleClient other;

	@BeforeAll
	static void start() {
		first = startNode();
		second = startNode();
		sample = client(first);
		other = client(second);
	}

	private static ConfigurableApplicationContext startNode() {
		Map<String, String> properties = new HashMap<>(new SampleFiles(data).properties());
		properties.put("server.port", "0");
		return new SpringApplicationBuilder(SampleApplication.class)
			.run(properties.entrySet().stream().map(Object::toString).map("--"::concat).toArray(String[]::new));
	}

	private static SampleClient client(ConfigurableApplicationContext node) {
		return SampleClient.at(((WebServerApplicationContext) node).getWebServer().getPort());
	}

	@AfterAll
	static void stop() {
		first.close();
		second.close();
	}

	private static ResponseSpec put(SampleClient client, String path, Object body) {
		return client.http()
			.put()
			.uri(client.address() + path)
			.contentType(MediaType.APPLICATION_JSON)
			.body(body)
			.exchange();
	}

	private static ResponseSpec move(SampleClient client, String chat, String source) {
		return put(client, "/chats/" + chat + "/source", Map.of("source", source));
	}

	/** What the chat has; {@code null} if it cannot be told just now. */
	private static List<String> read(SampleClient client, String chat) {
		EntityExchangeResult<String> result = client.messages(chat).returnResult(String.class);
		if (result.getStatus().equals(HttpStatus.SERVICE_UNAVAILABLE)) {
			return null;
		}
		assertThat(result.getStatus()).isEqualTo(HttpStatus.OK);
		return JsonPath.read(result.getResponseBody(), "$[*].text");
	}

	private static List<String> textsIn(String file, String chat) {
		return new SampleFiles(data).open(file)
			.sql("SELECT text FROM message WHERE chat = ? ORDER BY id")
			.param(chat)
			.query(String.class)
			.list();
	}

	private static void write(SampleClient client, String chat, String... texts) {
		for (String text : texts) {
			client.write(chat, text).expectStatus().isCreated();
		}
	}

	@Test
	void aChatIsMovedWithAllItsMessagesAndBack() {
		write(sample, "m-1", "one", "two", "Olá, 世界 🎉");
		write(sample, "m-2", "stays");
		sample.get("/chats/m-1/source").expectBody().json("{\"source\":\"main\"}");
		move(sample, "m-1", "archive").expectStatus().isOk().expectBody().json("{\"source\":\"archive\"}");
		write(sample, "m-1", "three");
		assertThat(read(sample, "m-1")).containsExactly("one", "two", "Olá, 世界 🎉", "three");
		assertThat(textsIn("archive.db", "m-1")).containsExactly("one", "two", "Olá, 世界 🎉", "three");
		assertThat(textsIn("main.db", "m-1")).isEmpty();
		assertThat(textsIn("main.db", "m-2")).containsExactly("stays");
		move(sample, "m-1", "main").expectStatus().isOk();
		move(sample, "m-1", "main").expectStatus().isOk();
		write(sample, "m-1", "four");
		assertThat(textsIn("main.db", "m-1")).containsExactly("one", "two", "Olá, 世界 🎉", "three", "four");
		assertThat(textsIn("archive.db", "m-1")).isEmpty();
	}

	@Test
	void aChatThatNobodyHasWrittenToIsMappedAtRunTime() {
		sample.get("/chats/new/source").expectBody().json("{\"source\":\"main\"}");
		move(sample, "new", "archive").expectStatus().isOk();
		write(sample, "new", "Hello");
		assertThat(textsIn("archive.db", "new")).containsExactly("Hello");
		assertThat(textsIn("main.db", "new")).isEmpty();
	}

	@Test
	void aMappedChatIsThereAfterARestart() {
		write(sample, "restarted", "one");
		move(sample, "restarted", "archive").expectStatus().isOk();
		ConfigurableApplicationContext third = startNode();
		try {
			write(client(third), "restarted", "two");
			assertThat(read(client(third), "restarted")).containsExactly("one", "two");
		}
		finally {
			third.close();
		}
		assertThat(textsIn("archive.db", "restarted")).containsExactly("one", "two");
	}

	@Test
	void anotherNodeNoticesByItself() {
		write(other, "noticed", "one");
		move(sample, "noticed", "archive").expectStatus().isOk();
		other.write("noticed", "lost?")
			.expectStatus()
			.isEqualTo(HttpStatus.SERVICE_UNAVAILABLE)
			.expectHeader()
			.valueEquals("Retry-After", "1")
			.expectBody(String.class)
			.value((body) -> assertThat(body).contains("is being moved"));
		write(other, "noticed", "two");
		assertThat(read(other, "noticed")).containsExactly("one", "two");
		assertThat(textsIn("main.db", "noticed")).isEmpty();
	}

	/**
	 * A node ends after so many steps of a move. The chat is whole where it is read, and
	 * asking for the move again finishes it, on another node.
	 */
	@ParameterizedTest
	@ValueSource(ints = { 1, 2, 3, 4, 5, 6, 7 })
	void aMoveThatEndsInTheMiddleLosesNothing(int steps) {
		String chat = "ended-" + steps;
		write(sample, chat, "one", "two");
		write(other, chat, "three");
		run(chat, steps);
		await().untilAsserted(() -> assertThat(read(other, chat)).containsExactly("one", "two", "three"));
		ConfigurableApplicationContext restarted = (steps == 3 || steps == 4) ? startNode() : null;
		if (restarted != null) {
			assertThat(read(client(restarted), chat)).containsExactly("one", "two", "three");
			restarted.close();
		}
		HttpStatusCode written = other.write(chat, "four").returnResult(String.class).getStatus();
		assertThat(written).isIn(HttpStatus.CREATED, HttpStatus.SERVICE_UNAVAILABLE);
		move(other, chat, "archive").expectStatus().isOk();
		List<String> all = new ArrayList<>(List.of("one", "two", "three"));
		if (written.equals(HttpStatus.CREATED)) {
			all.add("four");
		}
		assertThat(read(other, chat)).isEqualTo(all);
		assertThat(textsIn("archive.db", chat)).isEqualTo(all);
		assertThat(textsIn("main.db", chat)).isEmpty();
		write(other, chat, "five");
		await().untilAsserted(() -> assertThat(read(sample, chat)).hasSize(all.size() + 1).contains("five"));
	}

	private static void run(String chat, int steps) {
		MoveSteps move = first.getBean(MoveSteps.class);
		String id = "";
		List<String> messages = List.of();
		for (int step = 1; step <= steps; step++) {
			switch (step) {
				case 1 -> move.refuseUnlessFree("archive", chat);
				case 2 -> id = move.leave("main", chat, "archive");
				case 3 -> messages = move.read("main", chat, id);
				case 4 -> move.arrive("archive", chat, "main", id, messages);
				case 5 -> first.getBean(TenantMappings.class).map("chat-" + chat, "archive");
				case 6 -> assertThat(move.open("archive", chat)).isEqualTo(id);
				default -> move.clear("main", chat, id);
			}
		}
	}

	@Test
	void whileAChatIsMovedNothingIsLostAndNothingIsTwice() {
		AtomicBoolean going = new AtomicBoolean(true);
		AtomicInteger number = new AtomicInteger();
		List<String> accepted = new CopyOnWriteArrayList<>();
		List<CompletableFuture<Void>> others = new ArrayList<>();
		for (SampleClient client : List.of(sample, other)) {
			others.add(run(going, () -> {
				String text = "message " + number.incrementAndGet();
				HttpStatusCode status = client.write("busy", text).returnResult(String.class).getStatus();
				assertThat(status).isIn(HttpStatus.CREATED, HttpStatus.SERVICE_UNAVAILABLE);
				if (status.equals(HttpStatus.CREATED)) {
					accepted.add(text);
				}
			}));
			others.add(run(going, () -> {
				List<String> before = List.copyOf(accepted);
				List<String> read = read(client, "busy");
				if (read != null) {
					assertThat(read).containsAll(before).doesNotHaveDuplicates();
				}
			}));
		}
		try {
			for (int i = 0; i < 6; i++) {
				int before = accepted.size();
				await()
					.until(() -> accepted.size() > before + 5 || others.stream().anyMatch(CompletableFuture::isDone));
				move((i % 4 < 2) ? sample : other, "busy", (i % 2 == 0) ? "archive" : "main").expectStatus().isOk();
			}
		}
		finally {
			going.set(false);
		}
		others.forEach(CompletableFuture::join);
		assertThat(textsIn("main.db", "busy")).containsExactlyInAnyOrderElementsOf(accepted);
		assertThat(textsIn("archive.db", "busy")).isEmpty();
	}

	private static CompletableFuture<Void> run(AtomicBoolean going, Runnable task) {
		return CompletableFuture.runAsync(() -> {
			while (going.get()) {
				task.run();
			}
		}, (loop) -> new Thread(loop).start());
	}

	@ParameterizedTest
	@CsvSource({ "77, nowhere, 404", "77, election, 404", "77, '', 400", "it's, archive, 400",
			"77, election-mayor, 404" })
	void whereNoChatCanBeNoneIsMoved(String chat, String source, int status) {
		move(sample, chat, source).expectStatus().isEqualTo(status);
		if (status == 404) {
			write(sample, chat, "still here");
		}
	}

	@Test
	void aChatOfTheSameIdIsNotOverwritten() {
		write(sample, "twice", "mine");
		new SampleFiles(data).open("archive.db")
			.sql("INSERT INTO message (chat, text) VALUES ('twice', 'theirs')")
			.update();
		move(sample, "twice", "archive").expectStatus().isEqualTo(HttpStatus.CONFLICT);
		write(sample, "twice", "mine, too");
		assertThat(textsIn("archive.db", "twice")).containsExactly("theirs");
		assertThat(read(sample, "twice")).containsExactly("mine", "mine, too");
	}

	@Test
	void settingsAreInMainOnly() {
		put(sample, "/settings/greeting", Map.of("text", "Hello")).expectStatus().isOk();
		put(sample, "/settings/greeting", Map.of("text", "Olá")).expectStatus().isOk();
		other.get("/settings/greeting").expectStatus().isOk().expectBody().json("{\"text\":\"Olá\"}");
		other.get("/settings/nothing").expectStatus().isNotFound();
		assertThat(new SampleFiles(data).open("main.db")
			.sql("SELECT content FROM setting WHERE name = 'greeting'")
			.query(String.class)
			.list()).containsExactly("Olá");
		assertThat(new SampleFiles(data).open("archive.db")
			.sql("SELECT count(*) FROM sqlite_master WHERE name = 'setting'")
			.query(Integer.class)
			.single()).isZero();
	}

}
