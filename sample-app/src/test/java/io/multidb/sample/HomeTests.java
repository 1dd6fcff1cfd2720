package io.multidb.sample;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.http.HttpHeaders;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What somebody who has started the sample is told to look at is there.
 */
@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT)
@ExtendWith(OutputCaptureExtension.class)
@DirtiesContext
class HomeTests {

	@TempDir
	static Path data;

	/** As a browser does. */
	private final HttpClient http = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NORMAL).build();

	@LocalServerPort
	private int port;

	@DynamicPropertySource
	static void useTemporaryFolder(DynamicPropertyRegistry registry) {
		new SampleFiles(data).properties().forEach((name, value) -> registry.add(name, () -> value));
	}

	@Test
	void theGreetingNamesAddressesThatAnswer(CapturedOutput output) {
		String home = "http://localhost:" + this.port;
		List<String> addresses = Pattern.compile("^  (http\\S+)", Pattern.MULTILINE)
			.matcher(output.getAll())
			.results()
			.map((found) -> found.group(1))
			.toList();
		assertThat(addresses).containsExactly(home, home + "/datasources", home + "/actuator/health");
		assertThat(addresses).allSatisfy(this::answers);
	}

	@Test
	void everyLinkOfTheHomePageAnswers() {
		String page = get("http://localhost:" + this.port + "/");
		List<String> links = Pattern.compile("<(?:a|link|script) [^>]*(?:href|src)=\"(?!data:)([^\"]+)\"")
			.matcher(page)
			.results()
			.map((found) -> found.group(1))
			.toList();
		assertThat(links).contains("home.js", "datasources", "chats", "apps/auth/records")
			.allSatisfy((link) -> answers("http://localhost:" + this.port + "/" + link));
	}

	private void answers(String address) {
		assertThat(get(address)).isNotEmpty();
	}

	private String get(String address) {
		HttpRequest request = HttpRequest.newBuilder(URI.create(address))
			.header("Authorization", "Basic " + HttpHeaders.encodeBasicAuth("operator", "operator", null))
			.build();
		try {
			HttpResponse<String> answer = this.http.send(request, BodyHandlers.ofString());
			assertThat(answer.statusCode()).as(address).isEqualTo(200);
			return answer.body();
		}
		catch (IOException | InterruptedException ex) {
			throw new IllegalStateException(address, ex);
		}
	}

}
