package io.multidb.source;

import java.util.List;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import io.multidb.SourceUnavailableException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * Tests for {@link JdbcDriver}, and for what a source without one says when it is used.
 */
class JdbcDriverTests {

	@ParameterizedTest
	@CsvSource({ "jdbc:mysql://ada:secret@db/a, com.mysql:mysql-connector-j",
			"jdbc:mariadb://db/a?password=secret, org.mariadb.jdbc:mariadb-java-client",
			"jdbc:h2:mem:a, com.h2database:h2",
			"jdbc:oracle:thin:ada/secret@db:1521/a, com.oracle.database.jdbc:ojdbc17",
			"jdbc:sqlserver://db;password=secret, com.microsoft.sqlserver:mssql-jdbc" })
	void sourceThatIsUsedNamesTheMissingDependency(String url, String dependency) {
		refuses(SourceDefinition.named("lisbon").url(url).origin("catalog 'main'").build(),
				"the dependency " + dependency, "'url' of catalog 'main'");
	}

	@Test
	void sourceOfATemplateNamesTheMissingDependency() {
		SourceTemplate template = Sources.template(SourceDefinition.named("shop").url("jdbc:mysql://db/{id}").build(),
				"shop-{id}", CreatePolicy.NEVER, null);
		try (SourceRegistry registry = new SourceRegistry(List.of(), List.of(template), SourceMigrator.NONE,
				(event) -> {
				})) {
			assertThatThrownBy(() -> Sources.query(registry.get("shop-7"), "select 1"))
				.hasStackTraceContaining("the dependency com.mysql:mysql-connector-j")
				.hasStackTraceContaining("'app.datasources.shop.url'");
		}
	}

	@Test
	void namedDriverThatIsMissingIsToldByItsDependency() {
		refuses(SourceDefinition.named("lisbon")
			.url("jdbc:mysql://db/lisbon")
			.driverClassName("com.mysql.cj.jdbc.Driver")
			.build(), "Add the dependency that has it, such as com.mysql:mysql-connector-j",
				"'app.datasources.lisbon.driver-class-name'");
		refuses(SourceDefinition.named("lisbon").url("jdbc:sqlite:x.db").driverClassName("com.acme.Driver").build(),
				"Add the dependency that has it, or correct 'app.datasources.lisbon.driver-class-name'");
	}

	@Test
	void urlThatItsDriverDoesNotAcceptIsToCorrect() {
		refuses(SourceDefinition.named("lisbon").url("jdbc:postgresql://db:port/lisbon").build(),
				"Correct 'app.datasources.lisbon.url', which the driver org.postgresql.Driver does not accept");
	}

	@Test
	void driverOfAnUnknownProductIsToAdd() {
		refuses(SourceDefinition.named("lisbon").url("jdbc:acme://db/lisbon").build(),
				"Add the JDBC driver to the class path, or correct");
	}

	@Test
	void whatIsOnTheClassPathIsNotMissing() {
		assertThat(new JdbcUrl("jdbc:sqlite:a.db").missingDriver()).isNull();
		// Which its driver does not accept
		assertThat(new JdbcUrl("jdbc:postgresql://db:port/a").missingDriver()).isNull();
		assertThat(new JdbcUrl("jdbc:acme://db/a").missingDriver()).isNull();
		assertThat(new JdbcUrl("jdbc:mysql+srv://db/a").missingDriver()).isNull();
		assertThat(JdbcDriver.POSTGRESQL.dependency()).isEqualTo("org.postgresql:postgresql");
		assertThat(JdbcDriver.SQLITE.dependency()).isEqualTo("org.xerial:sqlite-jdbc");
	}

	private static void refuses(SourceDefinition definition, String... said) {
		try (SourceRegistry registry = new SourceRegistry(List.of(definition), List.of(), SourceMigrator.NONE,
				(event) -> {
				})) {
			assertThatThrownBy(() -> Sources.query(registry.get("lisbon"), "select 1"))
				.isInstanceOf(SourceUnavailableException.class)
				.hasMessageContainingAll(said)
				.message()
				.doesNotContain("secret");
		}
	}

}
