package io.multidb.test;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

import org.junit.jupiter.api.Test;

import org.springframework.context.support.GenericApplicationContext;
import org.springframework.core.env.MapPropertySource;
import org.springframework.test.context.MergedContextConfiguration;

import static org.assertj.core.api.Assertions.assertThat;

class TemporaryDatabasesTests {

	private final GenericApplicationContext context = new GenericApplicationContext();

	@Test
	void filesAreMovedAndNothingElse() {
		customize(Map.of("app.datasources.main.url", "jdbc:sqlite:/srv/data/main.db?cache=shared",
				"app.datasources.election.url", "jdbc:sqlite:data/elections/{id}.db", "app.datasources.[Acme.Corp].url",
				"jdbc:sqlite:acme.db", "app.datasources.memory.url", "jdbc:sqlite:file:x?mode=memory&cache=shared",
				"app.datasources.server.url", "jdbc:postgresql:x", "spring.datasource.url",
				"jdbc:sqlite:data/boot.db"));
		Path directory = Path.of(url("app.datasources.main.url").substring("jdbc:sqlite:".length()))
			.getParent()
			.getParent();
		String prefix = "jdbc:sqlite:" + directory;
		assertThat(directory).isDirectory();
		assertThat(url("app.datasources.main.url")).isEqualTo(prefix + "/main/main.db?cache=shared");
		assertThat(url("app.datasources.election.url")).isEqualTo(prefix + "/election/{id}.db");
		assertThat(url("app.datasources[Acme.Corp].url")).isEqualTo(prefix + "/Acme.Corp/acme.db");
		assertThat(url("spring.datasource.url")).isEqualTo(prefix + "/spring.datasource/boot.db");
		assertThat(url("app.datasources.memory.url")).isEqualTo("jdbc:sqlite:file:x?mode=memory&cache=shared");
		assertThat(url("app.datasources.server.url")).isEqualTo("jdbc:postgresql:x");
		assertThat(url("spring.test.database.replace")).isEqualTo("none");
	}

	@Test
	void theDirectoryGoesWithTheContext() throws Exception {
		customize(Map.of("app.datasources.main.url", "jdbc:sqlite:main.db"));
		Path file = Path.of(url("app.datasources.main.url").substring("jdbc:sqlite:".length()));
		this.context.refresh();
		Files.createFile(file);
		this.context.close();
		assertThat(file.getParent().getParent()).doesNotExist();
	}

	@Test
	void testsShareAContext() {
		TemporaryDatabasesCustomizerFactory factory = new TemporaryDatabasesCustomizerFactory();
		assertThat(factory.createContextCustomizer(WithTenantTests.class, List.of())).isNotNull()
			.isEqualTo(factory.createContextCustomizer(WithTenantTests.Inside.class, List.of()));
		assertThat(factory.createContextCustomizer(getClass(), List.of())).isNull();
	}

	private void customize(Map<String, Object> properties) {
		this.context.getEnvironment().getPropertySources().addFirst(new MapPropertySource("test", properties));
		new TemporaryDatabasesCustomizer().customizeContext(this.context,
				new MergedContextConfiguration(getClass(), null, null, null, null));
	}

	private String url(String property) {
		return this.context.getEnvironment().getProperty(property);
	}

}
