package io.multidb.sample;

import java.net.URI;
import java.nio.file.Path;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.http.HttpMethod;
import org.springframework.http.MediaType;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import org.springframework.test.web.servlet.client.RestTestClient;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Who sees the page of sources, and who may change them. What the page does is tested in
 * a browser.
 */
@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT)
@DirtiesContext
class OperatorsTests {

	@TempDir
	static Path data;

	private final RestTestClient http = RestTestClient.bindToServer().build();

	@LocalServerPort
	private int port;

	@DynamicPropertySource
	static void use(DynamicPropertyRegistry registry) {
		new SampleFiles(data).properties().forEach((key, value) -> registry.add(key, () -> value));
	}

	@ParameterizedTest
	@CsvSource({ "GET,/datasources/,,401", "GET,/datasources/,ada,403", "GET,/datasources/,operator,200",
			"GET,/datasources/api/sources,,401", "GET,/datasources/api/sources,grace,403",
			"GET,/datasources/api/sources,operator,200", "GET,/actuator,,401", "GET,/actuator/datasources,,401",
			"GET,/actuator/datasources,ada,403", "GET,/actuator/datasources,operator,200",
			"GET,/actuator/datasources/main,,401", "GET,/actuator/datasources/tenants/chat-1,ada,403",
			"GET,/actuator/anything,,401", "GET,/actuator/health,,200", "GET,/actuator/health/,,401",
			"GET,/actuator/health/datasources,,401", "GET,/actuator/health/datasources,ada,403",
			"GET,/actuator/health/datasources,operator,200", "POST,/actuator/datasources/main/drain,,401",
			"POST,/actuator/datasources/main/drain,ada,403", "POST,/actuator/datasources/main/drain,operator,200",
			"DELETE,/actuator/datasources/main,,401", "DELETE,/actuator/datasources/nobody,operator,404",
			"GET,/chats,,200" })
	void everybodyGetsWhatIsHis(HttpMethod method, String path, String user, int status) {
		this.http.method(method)
			.uri(URI.create("http://localhost:" + this.port + path))
			.contentType(MediaType.APPLICATION_JSON)
			.headers((headers) -> {
				if (user != null) {
					headers.setBasicAuth(user, user);
				}
			})
			.exchange()
			.expectStatus()
			.isEqualTo(status);
	}

	@ParameterizedTest
	@CsvSource({ ",false", "ada,false", "operator,true" })
	void onlyOperatorsSeeWhatHealthIsMadeOf(String user, boolean details) {
		this.http.get().uri(URI.create("http://localhost:" + this.port + "/actuator/health")).headers((headers) -> {
			if (user != null) {
				headers.setBasicAuth(user, user);
			}
		})
			.exchange()
			.expectStatus()
			.isOk()
			.expectBody(String.class)
			.value((body) -> assertThat(body.contains("components")).as(body).isEqualTo(details));
	}

	@Test
	void aPageOfAnotherSiteChangesNothing() {
		this.http.post()
			.uri(URI.create("http://localhost:" + this.port + "/datasources/api/sources/main/remove"))
			.contentType(MediaType.TEXT_PLAIN)
			.headers((headers) -> headers.setBasicAuth("operator", "operator"))
			.body("{}")
			.exchange()
			.expectStatus()
			.isForbidden();
	}

}
