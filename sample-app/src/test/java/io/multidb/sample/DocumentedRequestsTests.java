package io.multidb.sample;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import io.multidb.CodeBlock;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The requests of {@code requests.http}, of the README and of the guide are answered as
 * they are written, in their order.
 */
@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT)
@DirtiesContext
class DocumentedRequestsTests {

	private static final Pattern ADDRESS = Pattern.compile("(?:http://)?localhost:8080(/[^\\s']*)");

	/** An option with its value, in quotes or without. */
	private static final Pattern OPTION = Pattern.compile("-([a-zA-Z]+) (?:'([^']*)'|(\\S+))");

	@TempDir
	static Path data;

	private final HttpClient http = HttpClient.newHttpClient();

	@LocalServerPort
	private int port;

	/**
	 * A request as somebody wrote it.
	 *
	 * @param title what is said of it; begins with the status that is expected, if it is
	 * none of success
	 * @param body empty if there is none
	 */
	private record Request(String title, String method, String path, Map<String, String> headers, String body) {
	}

	@DynamicPropertySource
	static void useTemporaryFolder(DynamicPropertyRegistry registry) {
		new SampleFiles(data).properties().forEach((name, value) -> registry.add(name, () -> value));
		// The guide adds a source with a password, and says before how a catalog keeps
		// it.
		registry.add("app.tenancy.catalog.credentials.keys.k1", () -> "MDEyMzQ1Njc4OWFiY2RlZg==");
		registry.add("app.tenancy.catalog.credentials.active-key", () -> "k1");
	}

	@Test
	void thoseOfTheFile() throws Exception {
		List<Request> requests = ofTheFile();
		assertThat(requests).hasSizeGreaterThan(15);
		for (Request request : requests) {
			Matcher status = Pattern.compile("^([345]\\d\\d)\\b").matcher(request.title());
			int answered = send(request).statusCode();
			if (status.find()) {
				assertThat(answered).as(request.toString()).isEqualTo(Integer.parseInt(status.group(1)));
			}
			else {
				assertThat(answered).as(request.toString()).isBetween(200, 204);
			}
		}
		assertThat(new SampleFiles(data).list()).contains("elections/mayor.db")
			.doesNotContain("elections/nobody-voted.db");
	}

	@Test
	void thoseOfTheReadme() throws Exception {
		List<Request> requests = ofShellBlocks("README.md");
		assertThat(requests).hasSizeGreaterThan(3);
		for (Request request : requests) {
			assertThat(send(request).statusCode()).as(request.toString()).isBetween(200, 204);
		}
		assertThat(new SampleFiles(data).list()).contains("elections/42.db");
	}

	/** The sample is in the place of the reader's application, and asks for a login. */
	@Test
	void thoseOfTheGuide() throws Exception {
		List<Request> requests = ofShellBlocks("docs/guide.md");
		assertThat(requests).hasSizeGreaterThan(5);
		for (Request request : requests) {
			Map<String, String> headers = new LinkedHashMap<>(request.headers());
			headers.put("Authorization", basic("operator:operator"));
			// There is no server db2 here.
			String body = request.body().replace("jdbc:postgresql://db2/faro", "jdbc:sqlite:" + data + "/faro.db");
			HttpResponse<String> answer = send(
					new Request(request.title(), request.method(), request.path(), headers, body));
			assertThat(answer.statusCode()).as(request + " " + answer.body()).isEqualTo(200);
		}
	}

	private HttpResponse<String> send(Request request) throws IOException, InterruptedException {
		HttpRequest.Builder builder = HttpRequest
			.newBuilder(URI.create("http://localhost:" + this.port + request.path()))
			.method(request.method(), BodyPublishers.ofString(request.body()));
		request.headers().forEach(builder::header);
		return this.http.send(builder.build(), BodyHandlers.ofString());
	}

	private static List<Request> ofTheFile() throws IOException {
		List<Request> requests = new ArrayList<>();
		for (String part : Files.readString(Path.of("requests.http")).split("(?m)^###", -1)) {
			List<String> lines = part.strip().lines().toList();
			int first = 0;
			while (first < lines.size() && !ADDRESS.matcher(lines.get(first)).find()) {
				first++;
			}
			if (first == lines.size()) {
				continue;
			}
			Map<String, String> headers = new LinkedHashMap<>();
			int line = first + 1;
			for (; line < lines.size() && !lines.get(line).isBlank(); line++) {
				String[] header = lines.get(line).split(": ", 2);
				headers.put(header[0], header[1].startsWith("Basic ") ? basic(header[1].substring(6)) : header[1]);
			}
			String body = String.join("\n", lines.subList(line, lines.size())).strip();
			requests.add(new Request((first > 0) ? lines.get(0) : "", lines.get(first).split(" ", 2)[0],
					path(lines.get(first)), headers, body));
		}
		return requests;
	}

	private static List<Request> ofShellBlocks(String file) {
		List<Request> requests = new ArrayList<>();
		CodeBlock.of(file).stream().flatMap((block) -> block.text().lines()).forEach((line) -> {
			if (!line.startsWith("curl ")) {
				return;
			}
			Map<String, String> headers = new LinkedHashMap<>();
			String method = "GET";
			String body = "";
			Matcher options = OPTION.matcher(line);
			while (options.find()) {
				String value = Objects.requireNonNullElse(options.group(2), options.group(3));
				switch (options.group(1)) {
					case "H" -> headers.put(value.split(": ", 2)[0], value.split(": ", 2)[1]);
					case "u" -> headers.put("Authorization", basic(value));
					case "X" -> method = value;
					case "d" -> {
						body = value;
						method = method.equals("GET") ? "POST" : method;
					}
					default -> throw new IllegalStateException("What does this option do? " + line);
				}
			}
			requests.add(new Request(line, method, path(line), headers, body));
		});
		return requests;
	}

	private static String path(String line) {
		Matcher address = ADDRESS.matcher(line);
		assertThat(address.find()).as(line).isTrue();
		return address.group(1);
	}

	/**
	 * Of "user:password", or of the two with a space between them as in request files.
	 */
	private static String basic(String user) {
		return "Basic " + Base64.getEncoder().encodeToString(user.replace(' ', ':').getBytes(StandardCharsets.UTF_8));
	}

}
