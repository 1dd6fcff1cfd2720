package io.multidb.autoconfigure;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;

import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.context.runner.ContextConsumer;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.orm.jpa.EntityManagerHolder;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronizationManager;

import io.multidb.Scope;
import io.multidb.TenantContext;
import io.multidb.place.Place;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for replicas and read-only sources under JPA and {@code @Transactional}.
 */
class ReplicasOfJpaTests {

	@TempDir
	private Path directory;

	@BeforeEach
	void makeFiles() throws SQLException {
		for (String name : new String[] { "main", "copy", "archive" }) {
			try (Connection connection = DriverManager.getConnection(url(name));
					Statement statement = connection.createStatement()) {
				statement.execute("create table place (name varchar(20) primary key)");
				statement.execute("insert into place values ('" + name + "')");
			}
		}
	}

	private String url(String name) {
		return "jdbc:sqlite:" + this.directory.resolve(name + ".db");
	}

	private void run(ContextConsumer<AssertableApplicationContext> test) {
		new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class,
					HibernateJpaAutoConfiguration.class, TransactionAutoConfiguration.class))
			.withUserConfiguration(Application.class)
			.withPropertyValues("app.datasources.main.url=" + url("main"), "app.datasources.main.replicas=copy",
					"app.datasources.main.sticky=0s", "app.datasources.copy.url=" + url("copy"),
					"app.datasources.archive.url=" + url("archive"), "app.datasources.archive.read-only=true",
					"spring.jpa.hibernate.ddl-auto=none",
					"spring.jpa.properties.hibernate.dialect=org.hibernate.community.dialect.SQLiteDialect",
					"spring.jpa.properties.hibernate.boot.allow_jdbc_metadata_access=false")
			.run((context) -> {
				assertThat(context).hasNotFailed();
				test.accept(context);
				for (Source source : context.getBean(SourceRegistry.class).sources()) {
					if (source.state() instanceof SourceState.Open) {
						// Nothing is out: whoever wants to drain does not wait.
						context.getBean(SourceRegistry.class).remove(source.name());
						org.awaitility.Awaitility.await().until(() -> source.state() instanceof SourceState.Removed);
					}
				}
			});
	}

	@Test
	void readOnlyMethodsReadFromTheReplica() {
		run((context) -> {
			Places places = context.getBean(Places.class);
			try (Scope scope = TenantContext.enter("main")) {
				assertThat(places.read()).containsExactly("copy");
				assertThat(places.readForWriting()).containsExactly("main");
				places.write("porto");
				assertThat(places.readForWriting()).containsExactlyInAnyOrder("main", "porto");
				assertThat(places.read()).containsExactly("copy");
			}
		});
	}

	@Test
	void aWriteInAReadOnlyMethodIsRefused() {
		run((context) -> {
			Places places = context.getBean(Places.class);
			for (String tenant : new String[] { "main", "archive" }) {
				try (Scope scope = TenantContext.enter(tenant)) {
					assertThatExceptionOfType(Exception.class).isThrownBy(places::writeWhereNothingIsWritten)
						.withStackTraceContaining("Source '" + tenant + "'");
				}
			}
			try (Scope scope = TenantContext.enter("archive")) {
				assertThat(places.read()).containsExactly("archive");
				assertThatExceptionOfType(Exception.class).isThrownBy(() -> places.write("porto"))
					.withStackTraceContaining("Source 'archive' is read-only");
			}
		});
	}

	@Test
	void aSessionThatStaysOpenChangesSidesWithItsTransactions() {
		run((context) -> {
			Places places = context.getBean(Places.class);
			EntityManagerFactory factory = context.getBean(EntityManagerFactory.class);
			try (Scope scope = TenantContext.enter("main"); EntityManager session = factory.createEntityManager()) {
				TransactionSynchronizationManager.bindResource(factory, new EntityManagerHolder(session));
				try {
					assertThat(places.read()).containsExactly("copy");
					places.write("porto");
					assertThat(places.readForWriting()).containsExactlyInAnyOrder("main", "porto");
					assertThat(places.read()).containsExactly("copy");
				}
				finally {
					TransactionSynchronizationManager.unbindResource(factory);
				}
			}
		});
	}

	@Transactional
	static class Places {

		private final EntityManager entities;

		Places(EntityManager entities) {
			this.entities = entities;
		}

		@Transactional(readOnly = true)
		List<String> read() {
			return readForWriting();
		}

		List<String> readForWriting() {
			return this.entities.createQuery("select p.name from Place p", String.class).getResultList();
		}

		void write(String name) {
			this.entities.persist(new Place(name));
		}

		@Transactional(readOnly = true)
		int writeWhereNothingIsWritten() {
			return this.entities.createQuery("delete from Place").executeUpdate();
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackageClasses = Place.class)
	@Import(Places.class)
	static class Application {

	}

}
