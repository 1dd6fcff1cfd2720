package io.multidb.test;

import javax.sql.DataSource;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.data.jdbc.test.autoconfigure.DataJdbcTest;
import org.springframework.boot.data.jpa.test.autoconfigure.DataJpaTest;
import org.springframework.boot.jdbc.test.autoconfigure.AutoConfigureTestDatabase;
import org.springframework.boot.jdbc.test.autoconfigure.JdbcTest;
import org.springframework.boot.jpa.test.autoconfigure.TestEntityManager;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.embedded.EmbeddedDatabase;
import org.springframework.test.context.TestPropertySource;
import org.springframework.transaction.support.TransactionSynchronizationManager;

import io.multidb.SourceContext;
import io.multidb.TenantContext;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Spring Boot's test slices, with the sources and with one embedded database instead.
 */
class SlicesTests {

	@Nested
	@JdbcTest
	@TemporaryDatabases
	class JdbcTests {

		@Test
		@WithTenant("election-*")
		void goToTheTenantsSource(@Autowired JdbcClient jdbc, @Autowired DataSource dataSource) {
			assertThat(dataSource).isInstanceOf(RoutingDataSource.class);
			assertThat(TransactionSynchronizationManager.isActualTransactionActive()).isTrue();
			jdbc.sql("insert into note (text) values ('one')").update();
			assertThat(count(jdbc)).isOne();
		}

		@RepeatedTest(2)
		@WithTenant("main")
		void areRolledBack(@Autowired JdbcClient jdbc) {
			assertThat(count(jdbc)).isZero();
			jdbc.sql("insert into note (text) values ('one')").update();
		}

	}

	@Nested
	@JdbcTest
	@AutoConfigureTestDatabase(replace = AutoConfigureTestDatabase.Replace.NONE)
	@TestPropertySource(properties = { "app.datasources.main.url=jdbc:sqlite:target/slice.db",
			"app.datasources.archive.url=jdbc:sqlite:target/slice-archive.db" })
	class JdbcTestsWithoutReplacement {

		@Test
		@WithTenant("main")
		void goToTheTenantsSource(@Autowired JdbcClient jdbc, @Autowired DataSource dataSource) {
			assertThat(dataSource).isInstanceOf(RoutingDataSource.class);
			assertThat(count(jdbc)).isZero();
		}

	}

	@Nested
	@JdbcTest
	class JdbcTestsWithAnEmbeddedDatabase {

		@Test
		void useItForAllTenants(@Autowired JdbcClient jdbc, @Autowired DataSource dataSource,
				@Autowired SourceRegistry registry) {
			assertThat(dataSource).isInstanceOf(EmbeddedDatabase.class);
			TenantContext.run("main", () -> jdbc.sql("insert into note (text) values ('one')").update());
			TenantContext.run("archive", () -> assertThat(count(jdbc)).isOne());
			assertThat(registry.sources()).allMatch((source) -> source.state() instanceof SourceState.Cold);
		}

	}

	@Nested
	@DataJdbcTest
	@TemporaryDatabases
	class DataJdbcTests {

		@Test
		@WithTenant("election-*")
		void goToTheTenantsSource(@Autowired MemoRepository memos, @Autowired JdbcClient jdbc) {
			Memo memo = memos.save(new Memo(null, "one"));
			assertThat(memos.findById(memo.id())).get().extracting(Memo::text).isEqualTo("one");
			assertThat(count(jdbc)).isOne();
		}

	}

	@Nested
	@DataJdbcTest
	class DataJdbcTestsWithAnEmbeddedDatabase {

		@Test
		void useItForAllTenants(@Autowired MemoRepository memos, @Autowired DataSource dataSource) {
			assertThat(dataSource).isInstanceOf(EmbeddedDatabase.class);
			TenantContext.run("main", () -> memos.save(new Memo(null, "one")));
			assertThat(TenantContext.call("archive", memos::count)).isOne();
		}

	}

	@Nested
	@DataJpaTest
	@TemporaryDatabases
	class DataJpaTests {

		@Test
		@WithTenant("election-*")
		void goToTheTenantsSource(@Autowired NoteRepository notes, @Autowired TestEntityManager entities,
				@Autowired JdbcClient jdbc) {
			Note note = notes.save(new Note("one"));
			entities.flush();
			entities.clear();
			assertThat(notes.findById(note.id())).get().extracting(Note::text).isEqualTo("one");
			assertThat(count(jdbc)).isOne();
		}

		@RepeatedTest(2)
		@WithTenant("main")
		void areRolledBack(@Autowired NoteRepository notes) {
			assertThat(notes.count()).isZero();
			notes.save(new Note("one"));
		}

	}

	@Nested
	@DataJpaTest
	class DataJpaTestsWithAnEmbeddedDatabase {

		@Test
		void useItForAllTenants(@Autowired NoteRepository notes, @Autowired DataSource dataSource) {
			assertThat(dataSource).isInstanceOf(EmbeddedDatabase.class);
			notes.save(new Note("one"));
			assertThat(SourceContext.call("archive", notes::count)).isOne();
		}

	}

	private static long count(JdbcClient jdbc) {
		return jdbc.sql("select count(*) from note").query(Long.class).single();
	}

}
