package io.multidb.sample.courts;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

import com.jayway.jsonpath.DocumentContext;
import com.jayway.jsonpath.JsonPath;
import io.multidb.access.Permission;
import io.multidb.catalog.Catalog;
import io.multidb.catalog.CatalogSource;
import io.multidb.sample.SampleFiles;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import org.springframework.test.web.servlet.client.RestTestClient;
import org.springframework.test.web.servlet.client.RestTestClient.ResponseSpec;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Court search over HTTP: what a user finds, who may find what, and what is told of
 * courts that cannot be asked.
 */
@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT)
@DirtiesContext
class CourtsTests {

	@TempDir
	static Path data;

	private final SampleFiles files = new SampleFiles(data);

	private final RestTestClient http = RestTestClient.bindToServer().build();

	@Autowired
	private Catalog catalog;

	private String address = "";

	@DynamicPropertySource
	static void useTemporaryFolder(DynamicPropertyRegistry registry) {
		new SampleFiles(data).properties().forEach((name, value) -> registry.add(name, () -> value));
	}

	@BeforeEach
	void connect(@LocalServerPort int port) {
		this.address = "http://localhost:" + port;
	}

	private ResponseSpec post(@Nullable String user, Object body) {
		return this.http.post()
			.uri(URI.create(this.address + "/searches"))
			.headers((headers) -> authenticate(headers, user))
			.contentType(MediaType.APPLICATION_JSON)
			.body(body)
			.exchange();
	}

	private static void authenticate(HttpHeaders headers, @Nullable String user) {
		if (user != null) {
			headers.setBasicAuth(user, user);
		}
	}

	private DocumentContext search(String user, String question) {
		return read(post(user, Map.of("q", question)));
	}

	private ResponseSpec get(@Nullable String user, String id) {
		return this.http.get()
			.uri(URI.create(this.address + "/searches/" + id))
			.headers((headers) -> authenticate(headers, user))
			.exchange();
	}

	private static DocumentContext read(ResponseSpec response) {
		return JsonPath.parse(response.expectStatus().isOk().returnResult(String.class).getResponseBody());
	}

	private static Map<String, String> statuses(DocumentContext search) {
		List<Map<String, Object>> sources = search.read("$.sources");
		return sources.stream()
			.collect(Collectors.toMap((source) -> (String) source.get("name"),
					(source) -> (String) source.get("status")));
	}

	private static Set<String> courtsOfHits(DocumentContext search) {
		List<String> sources = search.read("$.hits[*].source");
		return Set.copyOf(sources);
	}

	@Test
	void adaSearchesAllThreeAndTheBestComeFirst() {
		DocumentContext search = search("ada", "breach of contract");
		assertThat(statuses(search))
			.isEqualTo(Map.of("ny_appeals", "completed", "federal_district", "completed", "ca_supreme", "completed"));
		assertThat(courtsOfHits(search)).hasSizeGreaterThan(1);
		List<Number> relevance = search.read("$.hits[*].relevance");
		assertThat(relevance).isNotEmpty()
			.isSortedAccordingTo(Comparator.comparingDouble(Number::doubleValue).reversed());
		assertThat(search.<Integer>read("$.summary.sourcesSearched")).isEqualTo(3);
		assertThat(search.<Integer>read("$.summary.tookMs")).isNotNegative();
		List<Integer> counts = search.read("$.sources[*].count");
		assertThat(search.<Integer>read("$.summary.total"))
			.isEqualTo(counts.stream().mapToInt(Integer::intValue).sum());
	}

	@Test
	void notMoreThanAHundredAreShownButAllAreCounted() {
		DocumentContext search = search("ada", "judgment");
		assertThat(search.<List<Object>>read("$.hits")).hasSize(100);
		assertThat(search.<Integer>read("$.summary.total")).isEqualTo(360);
	}

	@Test
	void graceSearchesWhatSheWasGrantedAlone() {
		DocumentContext search = search("grace", "judgment");
		assertThat(statuses(search)).isEqualTo(Map.of("ny_appeals", "completed"));
		assertThat(courtsOfHits(search)).containsExactly("ny_appeals");
		this.catalog.grant("ca_supreme", "grace", Permission.Level.READ, "ada");
		assertThat(statuses(search("grace", "judgment"))).containsOnlyKeys("ny_appeals", "ca_supreme");
		this.catalog.revoke("ny_appeals", "grace");
		this.catalog.revoke("ca_supreme", "grace");
		assertThat(statuses(search("grace", "judgment"))).isEmpty();
		this.catalog.grant("ny_appeals", "grace", Permission.Level.READ, null);
		assertThat(statuses(search("grace", "judgment"))).containsOnlyKeys("ny_appeals");
	}

	@Test
	void whoIsNobodySearchesNothingAndEverythingElseIsOpen() {
		post(null, Map.of("q", "contract")).expectStatus()
			.isUnauthorized()
			.expectHeader()
			.exists(HttpHeaders.WWW_AUTHENTICATE);
		get(null, "1").expectStatus().isUnauthorized();
		this.http.get().uri(URI.create(this.address + "/actuator/health")).exchange().expectStatus().isOk();
		this.http.post()
			.uri(URI.create(this.address + "/chats/77/messages"))
			.contentType(MediaType.APPLICATION_JSON)
			.body(Map.of("text", "no token"))
			.exchange()
			.expectStatus()
			.isCreated();
	}

	@Test
	void aCourtThatIsBrokenIsToldOfAndChangesNothingForTheOthers() throws IOException {
		assertThat(statuses(search("ada", "water"))).hasSize(3);
		Path broken = data.resolve("courts/broken.db");
		Files.writeString(broken, "This is no database, and long enough to be told from an empty one.".repeat(100));
		CatalogSource court = this.catalog.find("federal_district");
		this.catalog.save(court.change().url("jdbc:sqlite:" + broken).build());
		DocumentContext search = search("ada", "water");
		assertThat(statuses(search))
			.isEqualTo(Map.of("ny_appeals", "completed", "federal_district", "failed", "ca_supreme", "completed"));
		assertThat(search.<Integer>read("$.summary.sourcesSearched")).isEqualTo(2);
		assertThat(search.<List<String>>read("$.sources[?(@.name == 'federal_district')].error")).singleElement()
			.asString()
			.contains("not a database");
		this.catalog.save(court);
		assertThat(statuses(search("ada", "water"))).containsEntry("federal_district", "completed");
	}

	@Test
	void courtsComeAndGoWithoutARestart() {
		this.catalog.deactivate("ca_supreme");
		assertThat(statuses(search("ada", "water"))).containsOnlyKeys("ny_appeals", "federal_district");
		this.catalog.activate("ca_supreme");
		assertThat(statuses(search("ada", "water"))).hasSize(3);
		this.catalog.save(this.catalog.find("ca_supreme").change().searchable(false).build());
		assertThat(statuses(search("ada", "water"))).containsOnlyKeys("ny_appeals", "federal_district");
		this.catalog.save(this.catalog.find("ca_supreme").change().searchable(true).build());
		assertThat(statuses(search("ada", "water"))).hasSize(3);
	}

	@Test
	void everyExecutionIsRecordedForWhoSearched() {
		DocumentContext search = search("ada", "insurance");
		String id = search.read("$.id");
		DocumentContext recorded = read(get("ada", id));
		assertThat(statuses(recorded)).isEqualTo(statuses(search));
		assertThat(recorded.<List<Integer>>read("$.sources[*].count"))
			.isEqualTo(search.<List<Integer>>read("$.sources[*].count"));
		get("grace", id).expectStatus().isNotFound();
		get("ada", "nothing").expectStatus().isNotFound();
		assertThat(this.files.open("courts.db")
			.sql("SELECT question FROM search WHERE id = ?")
			.param(id)
			.query(String.class)
			.single()).isEqualTo("insurance");
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "  ", "\"*", "--;" })
	void aQuestionWithoutAWordIsRefused(String question) {
		post("ada", Map.of("q", question)).expectStatus()
			.isEqualTo(HttpStatus.BAD_REQUEST)
			.expectHeader()
			.contentType(MediaType.APPLICATION_PROBLEM_JSON);
	}

	@ParameterizedTest
	@ValueSource(strings = { "water\" OR \"tax", "water NEAR(", "title:water", "'; DROP TABLE opinion; --", "x* AND" })
	void whatLooksLikeAQueryIsSearchedForAsWords(String question) {
		assertThat(statuses(search("ada", question)).values()).containsOnly("completed");
		assertThat(search("ada", "judgment").<Integer>read("$.summary.total")).isEqualTo(360);
	}

	@Test
	void noCourtIsWrittenTo() {
		assertThat(this.files.open("courts/ny_appeals.db")
			.sql("SELECT count(*) FROM sqlite_schema WHERE name LIKE" + " '%databasechangelog%'")
			.query(Integer.class)
			.single()).isZero();
	}

}
