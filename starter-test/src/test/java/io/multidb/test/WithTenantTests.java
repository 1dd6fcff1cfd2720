package io.multidb.test;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.test.context.jdbc.Sql;
import org.springframework.transaction.annotation.Transactional;

import io.multidb.TenantContext;
import io.multidb.UnknownTenantException;
import io.multidb.routing.Routes;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.NONE)
@TemporaryDatabases
@WithTenant("election-*")
class WithTenantTests {

	private static final List<String> tenants = new ArrayList<>();

	private static Path elections;

	private static SourceRegistry sources;

	@Autowired
	private JdbcClient jdbc;

	@Autowired
	private Routes routes;

	private String before;

	@Autowired
	void rememberSources(SourceRegistry registry) {
		sources = registry;
	}

	@BeforeEach
	void remember() {
		this.before = TenantContext.current();
		if (this.before.startsWith("election-")) {
			tenants.add(this.before);
			elections = this.routes.resolve(this.before).definition().url().sqliteFile().getParent();
		}
	}

	@AfterAll
	static void theirDatabasesAreGone() throws Exception {
		assertThat(tenants).hasSizeGreaterThan(10).doesNotHaveDuplicates();
		try (var files = Files.list(elections)) {
			// SQLite's own files go with the pool.
			assertThat(files.filter((file) -> file.toString().endsWith(".db"))).isEmpty();
		}
		assertThat(sources.sources()).extracting(Source::name).containsExactly("archive", "main");
	}

	@RepeatedTest(10)
	void everyTestHasADatabaseOfItsOwn() {
		assertThat(TenantContext.current()).startsWith("election-").isEqualTo(this.before);
		assertThat(notes()).isZero();
		write("mine");
		assertThat(notes()).isOne();
	}

	@Test
	@Transactional
	@Sql(statements = "insert into note (text) values ('of a script')")
	void transactionsAndScriptsAreTheTenants() {
		assertThat(notes()).isOne();
	}

	@Test
	@WithTenant("main")
	@Transactional
	void aTestsOwnTenantGoesBeforeItsClasss() {
		assertThat(this.before).isEqualTo("main");
		assertThat(notes()).isZero();
		write("rolled back");
	}

	@Test
	@WithTenant("main")
	@Transactional
	void andIsRolledBackAsInAnyTest() {
		assertThat(notes()).isZero();
		write("rolled back");
	}

	@Test
	@OnArchive
	void anAnnotationOfOnesOwnWillDo() {
		assertThat(TenantContext.current()).isEqualTo("archive");
		assertThat(notes()).isZero();
	}

	@Test
	@WithTenant("election-unknown")
	void aTenantWithoutAStarIsNotMade() {
		assertThatExceptionOfType(Exception.class).isThrownBy(this::notes)
			.withRootCauseInstanceOf(UnknownTenantException.class);
	}

	@Nested
	class Inside {

		@Test
		void nestedTestsHaveTheirClasssTenant() {
			assertThat(TenantContext.current()).startsWith("election-");
			assertThat(notes()).isZero();
		}

	}

	private long notes() {
		return this.jdbc.sql("select count(*) from note").query(Long.class).single();
	}

	private void write(String text) {
		this.jdbc.sql("insert into note (text) values (?)").param(text).update();
	}

	@Target(ElementType.METHOD)
	@Retention(RetentionPolicy.RUNTIME)
	@WithTenant("archive")
	@interface OnArchive {

	}

}
