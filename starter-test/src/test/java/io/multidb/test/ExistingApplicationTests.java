package io.multidb.test;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

import javax.sql.DataSource;

import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManagerFactory;
import liquibase.integration.spring.SpringLiquibase;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.context.annotation.ImportCandidates;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.SourceContext;
import io.multidb.TenantContext;
import io.multidb.routing.RoutingDataSource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * An application with one database, JPA, Liquibase, Actuator and a servlet container,
 * before and after it gets sources.
 */
class ExistingApplicationTests {

	@TempDir
	private Path directory;

	@Test
	void withoutSourcesTheStarterChangesNothing() throws IOException {
		Map<String, Object> with;
		Map<String, Object> without;
		try (ConfigurableApplicationContext context = start(WebApplicationType.SERVLET)) {
			with = beans(context);
			assertThat(context.getBean(DataSource.class)).isInstanceOf(HikariDataSource.class);
			assertThat(context.getBean(SpringLiquibase.class)).isExactlyInstanceOf(SpringLiquibase.class);
			assertThat(context).satisfies((ready) -> assertThat(ready.containsBean("dbHealthContributor")).isTrue());
		}
		String ours = String.join(",",
				ImportCandidates.load(AutoConfiguration.class, null)
					.getCandidates()
					.stream()
					.filter((name) -> name.startsWith("io.multidb."))
					.toList());
		assertThat(ours).contains("MultiDbAutoConfiguration", "MultiDbLiquibaseAutoConfiguration");
		try (ConfigurableApplicationContext context = start(WebApplicationType.SERVLET,
				"--spring.autoconfigure.exclude=" + ours)) {
			without = beans(context);
		}
		assertThat(with).hasSizeGreaterThan(100).isEqualTo(without);
	}

	@Test
	void withSourcesItsDatabaseGoesOnAsTheSourceDefault() {
		try (ConfigurableApplicationContext context = start(WebApplicationType.NONE)) {
			save(context, "before");
			assertThat(context.getBean(NoteRepository.class).count()).isOne();
		}
		try (ConfigurableApplicationContext context = start(WebApplicationType.NONE,
				"--app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
				"--app.tenancy.no-tenant=default")) {
			NoteRepository notes = context.getBean(NoteRepository.class);
			assertThat(context.getBean(DataSource.class)).isInstanceOf(RoutingDataSource.class);
			assertThat(context.getBeansOfType(EntityManagerFactory.class)).hasSize(1);
			assertThat(notes.count()).isOne();
			save(context, "after");
			assertThat(notes.count()).isEqualTo(2);
			TenantContext.run("lisbon", () -> assertThat(notes.count()).isZero());
			TenantContext.run("lisbon", () -> save(context, "in Lisbon"));
			TenantContext.run("lisbon", () -> assertThat(notes.count()).isOne());
			assertThat(notes.count()).isEqualTo(2);
			assertThat(SourceContext.call("default", notes::count)).isEqualTo(2);
		}
	}

	@Test
	void flywayGoesOnOnItsDatabaseToo() {
		try (ConfigurableApplicationContext context = start(WebApplicationType.NONE, "--spring.flyway.enabled=true",
				"--spring.liquibase.enabled=false",
				"--app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
				"--app.tenancy.no-tenant=default")) {
			JdbcClient jdbc = context.getBean(JdbcClient.class);
			assertThat(jdbc.sql("select count(*) from dossier").query(Long.class).single()).isZero();
			assertThat(this.directory.resolve("lisbon.db")).doesNotExist();
		}
	}

	private static void save(ConfigurableApplicationContext context, String text) {
		context.getBean(TransactionTemplate.class)
			.executeWithoutResult((status) -> context.getBean(NoteRepository.class).save(new Note(text)));
	}

	private ConfigurableApplicationContext start(WebApplicationType type, String... more) {
		String[] arguments = { "--spring.config.name=none", "--server.port=0",
				"--spring.datasource.url=jdbc:sqlite:" + this.directory.resolve("boot.db"),
				"--spring.liquibase.change-log=classpath:db/notes.yaml", "--spring.jpa.hibernate.ddl-auto=none",
				"--spring.jpa.open-in-view=false" };
		String[] all = new String[arguments.length + more.length];
		System.arraycopy(arguments, 0, all, 0, arguments.length);
		System.arraycopy(more, 0, all, arguments.length, more.length);
		return new SpringApplicationBuilder(Existing.class).properties("spring.flyway.enabled=false")
			.web(type)
			.run(all);
	}

	/** Names and types of all beans, and the properties that anybody has set. */
	private static Map<String, Object> beans(ConfigurableApplicationContext context) {
		Map<String, Object> beans = new TreeMap<>();
		for (String name : context.getBeanFactory().getBeanDefinitionNames()) {
			Class<?> type = context.getType(name, false);
			beans.put(name, (type != null) ? type.getName().replaceAll("(\\$\\$|\\$Proxy|Lambda).*", "") : "none");
		}
		beans.put("property sources",
				context.getEnvironment()
					.getPropertySources()
					.stream()
					.map((source) -> source.getName())
					.filter((name) -> !name.equals("commandLineArgs"))
					.toList());
		return beans;
	}

	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration
	static class Existing {

	}

}
