package io.multidb.source;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import io.multidb.InvalidTenantException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/**
 * Tests for {@link SourceTemplate}.
 */
class SourceTemplateTests {

	@ParameterizedTest
	@CsvSource({ "election-42, 42.db", "election-Lisbon, =lisbon.db", "election-lisbon, lisbon.db",
			"election-LISBON, =l=i=s=b=o=n.db", "election-a.b_c-d, a.b_c-d.db" })
	void fileNamesAreDistinctEvenWhereCaseIsIgnored(String tenant, String file) {
		assertThat(sqlite("data/{id}.db").define(tenant).url().text()).isEqualTo("jdbc:sqlite:data/" + file);
	}

	@Test
	void postgresNamesKeepTheirCase() {
		assertThat(postgres().define("election-Lisbon").url().databaseName()).isEqualTo("election_Lisbon");
	}

	@ParameterizedTest
	@ValueSource(strings = { "election-..", "election-.hidden", "election-." })
	void aPartNeverBecomesAWayOutOfTheDirectory(String tenant) {
		assertThatExceptionOfType(InvalidTenantException.class)
			.isThrownBy(() -> sqlite("data/{id}/main.db").define(tenant))
			.withMessageContaining("dot");
	}

	@Test
	void refusesNamesThatPostgresWouldCutOff() {
		assertThat(postgres().define("election-" + "x".repeat(54)).url().databaseName()).hasSize(63);
		assertThatExceptionOfType(InvalidTenantException.class)
			.isThrownBy(() -> postgres().define("election-" + "x".repeat(55)))
			.withMessageContaining("63");
	}

	@Test
	void needsAPlaceholderThatItsPatternFills() {
		assertThatIllegalArgumentException().isThrownBy(() -> sqlite("data/{name}.db")).withMessageContaining("{id}");
	}

	@ParameterizedTest
	@ValueSource(strings = { "jdbc:postgresql://h/db?user={id}", "jdbc:sqlite:all.db?cache={id}" })
	void needsItsPlaceholderInWhatNamesTheDatabase(String url) {
		SourceDefinition definition = SourceDefinition.named("t").url(url).build();
		assertThatIllegalArgumentException()
			.isThrownBy(() -> Sources.template(definition, "t-{id}", CreatePolicy.NEVER, null))
			.withMessageContaining("share one");
	}

	@ParameterizedTest
	@ValueSource(strings = { "jdbc:postgresql://h/db?currentSchema={id}",
			"jdbc:postgresql://h/db?options=-csearch_path={id}", "jdbc:postgresql://{id}.example.com/db",
			"jdbc:mysql://h/db_{id}" })
	void aSchemaOrHostNamesADatabaseToo(String url) {
		SourceDefinition definition = SourceDefinition.named("t").url(url).build();
		assertThat(Sources.template(definition, "t-{id}", CreatePolicy.NEVER, null).define("t-1").url().text())
			.isEqualTo(url.replace("{id}", "1"));
	}

	@Test
	void namesTheSourceByItsTenantAndRemembersTheTemplate() {
		SourceDefinition definition = sqlite("{tenant}.db").define("election-42");
		assertThat(definition.name()).isEqualTo("election-42");
		assertThat(definition.template()).isEqualTo("election");
		assertThat(definition.origin()).contains("template 'election'");
		assertThat(definition.url().text()).isEqualTo("jdbc:sqlite:election-42.db");
	}

	private static SourceTemplate sqlite(String file) {
		return Sources.template(SourceDefinition.named("election").url("jdbc:sqlite:" + file).build(), "election-{id}",
				CreatePolicy.EXPLICIT, null);
	}

	private static SourceTemplate postgres() {
		return Sources.template(
				SourceDefinition.named("election").url("jdbc:postgresql://localhost/election_{id}").build(),
				"election-{id}", CreatePolicy.EXPLICIT, "server");
	}

}
