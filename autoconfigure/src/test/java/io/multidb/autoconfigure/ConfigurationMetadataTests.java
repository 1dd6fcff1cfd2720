package io.multidb.autoconfigure;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.boot.json.JsonParserFactory;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What an IDE tells the user about {@code app.*}.
 */
class ConfigurationMetadataTests {

	private static final Map<String, Map<String, Object>> properties = new TreeMap<>();

	private static final Map<String, Map<String, Object>> hints = new TreeMap<>();

	@BeforeAll
	static void read() throws IOException {
		try (InputStream file = MultiDbProperties.class
			.getResourceAsStream("/META-INF/spring-configuration-metadata.json")) {
			Map<String, Object> metadata = JsonParserFactory.getJsonParser()
				.parseMap(new String(file.readAllBytes(), StandardCharsets.UTF_8));
			list(metadata, "properties").forEach((property) -> properties.put((String) property.get("name"), property));
			list(metadata, "hints").forEach((hint) -> hints.put((String) hint.get("name"), hint));
		}
	}

	@Test
	void everyKeyOfTenancyIsThere() {
		List<String> keys = new ArrayList<>(PropertyKeys.of(TenancyProperties.class));
		keys.removeIf((key) -> key.contains("[]"));
		keys.addAll(
				List.of("routes", "servers", "liquibase.parameters", "catalog.parameters", "catalog.credentials.keys"));
		assertThat(properties.keySet()).contains("app.datasources")
			.containsAll(keys.stream().map((key) -> "app.tenancy." + key).toList());
	}

	@Test
	void everyKeyHasATypeAndADescriptionThatIsASentence() {
		assertThat(properties).isNotEmpty().allSatisfy((name, property) -> {
			assertThat((String) property.get("type")).isNotEmpty();
			assertThat((String) property.get("description")).matches("[A-Z].*\\.");
		});
	}

	@Test
	void everyDefaultIsThere() {
		assertThat(properties).allSatisfy((name, property) -> {
			boolean optional = List
				.of("app.datasources", "app.tenancy.cache.shared", "app.tenancy.catalog.credentials.active-key",
						"app.tenancy.catalog.credentials.keys", "app.tenancy.catalog.credentials.references",
						"app.tenancy.catalog.parameters", "app.tenancy.catalog.source",
						"app.tenancy.catalog.sqlite-directory", "app.tenancy.discovery.names",
						"app.tenancy.fan-out.journal.source", "app.tenancy.jpa.products", "app.tenancy.jpa.properties",
						"app.tenancy.liquibase.change-log", "app.tenancy.liquibase.contexts",
						"app.tenancy.liquibase.label-filter", "app.tenancy.liquibase.parameters",
						"app.tenancy.packages", "app.tenancy.routes", "app.tenancy.servers", "app.tenancy.web.exclude",
						"app.tenancy.web.path.pattern", "app.tenancy.web.principal.claim", "app.tenancy.web.resolvers",
						"app.tenancy.web.subdomain.domain", "management.endpoint.datasources.roles")
				.contains(name);
			assertThat(property.containsKey("defaultValue")).isEqualTo(!optional);
		});
		assertThat(properties.get("app.tenancy.liquibase.startup-timeout")).containsEntry("defaultValue", "60s");
		assertThat(properties.get("app.tenancy.web.header.name")).containsEntry("defaultValue", "X-Tenant-Id");
	}

	@Test
	void everyHintIsForAKeyThatIsThere() {
		assertThat(hints.keySet())
			.allSatisfy((name) -> assertThat(properties).containsKey(name.replaceFirst("\\.keys$", "")));
	}

	@Test
	void everyResolverIsSuggested() {
		assertThat(list(hints.get("app.tenancy.web.resolvers"), "values"))
			.allSatisfy((value) -> assertThat((String) value.get("description")).isNotEmpty())
			.extracting((value) -> value.get("value"))
			.containsExactlyInAnyOrderElementsOf(DatasourcesReader.RESOLVERS);
	}

	@Test
	void everyKeyIsInTheGuideWithItsDefault() throws IOException {
		String guide = Files.readString(Path.of("..", "docs", "guide.md"));
		String table = guide.substring(guide.indexOf("## All properties"));
		assertThat(properties).allSatisfy((name, property) -> {
			String key = name.replaceFirst("^app\\.tenancy\\.", "").replaceFirst("^app\\.", "");
			String row = table.lines().filter((line) -> line.contains("`" + key)).findFirst().orElse("");
			if (!name.equals("app.datasources")) {
				assertThat(row).as(name).isNotEmpty();
			}
			if (property.get("defaultValue") != null) {
				assertThat(row).as(name).contains("`" + property.get("defaultValue") + "`");
			}
		});
		assertThat(PropertyKeys.of(SourceProperties.class)).map((key) -> key.replace("[]", ""))
			.allSatisfy((key) -> assertThat(table).contains("`" + key));
	}

	@SuppressWarnings("unchecked")
	private static List<Map<String, Object>> list(Map<String, Object> parent, String key) {
		return (List<Map<String, Object>>) (List<?>) parent.get(key);
	}

}
