package io.multidb.test;

import java.net.CookieManager;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.List;

import javax.sql.DataSource;

import jakarta.servlet.http.HttpSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quartz.Job;
import org.quartz.JobBuilder;
import org.quartz.JobDetail;
import org.quartz.JobExecutionContext;
import org.quartz.Scheduler;
import org.quartz.TriggerBuilder;

import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.flyway.autoconfigure.FlywayDataSource;
import org.springframework.boot.quartz.autoconfigure.QuartzDataSource;
import org.springframework.boot.quartz.autoconfigure.QuartzTransactionManager;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.session.jdbc.config.annotation.SpringSessionDataSource;
import org.springframework.session.jdbc.config.annotation.SpringSessionTransactionManager;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

import io.multidb.SourceContext;
import io.multidb.TenantContext;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Spring Session and Quartz each with a source of its own, and Flyway on one of them,
 * while requests and jobs work for tenants on others.
 */
@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT, classes = PinnedTests.Application.class,
		properties = { "app.datasources.archive.liquibase.enabled=false",
				"app.datasources.jobs.url=jdbc:h2:mem:jobs;DB_CLOSE_DELAY=-1", "app.datasources.jobs.internal=true",
				"app.datasources.sessions.liquibase.enabled=false", "app.tenancy.routes[2].tenants=lisbon,porto",
				"app.tenancy.routes[2].source={tenant}", "app.tenancy.routes[0].tenants=election-{id}",
				"app.tenancy.routes[0].source=election", "app.tenancy.routes[1].tenants=main,archive",
				"app.tenancy.routes[1].source={tenant}", "app.tenancy.liquibase.change-log=classpath:db/notes.yaml",
				"app.datasources.jobs.liquibase.enabled=false", "app.tenancy.web.resolvers=header",
				"spring.flyway.enabled=true", "spring.session.jdbc.initialize-schema=always",
				"spring.quartz.job-store-type=jdbc", "spring.quartz.jdbc.initialize-schema=always" })
@DirtiesContext
class PinnedTests {

	@TempDir
	static Path directory;

	private final HttpClient http = HttpClient.newBuilder().cookieHandler(new CookieManager()).build();

	@Autowired
	private JdbcClient jdbc;

	@LocalServerPort
	private int port;

	@DynamicPropertySource
	static void files(DynamicPropertyRegistry registry) {
		for (String name : new String[] { "main", "archive", "sessions", "lisbon", "porto" }) {
			registry.add("app.datasources." + name + ".url", () -> "jdbc:sqlite:" + directory.resolve(name + ".db"));
		}
	}

	@Test
	void flywayMigratesItsSourceOnly() {
		assertThat(tables("archive")).contains("flyway_schema_history", "dossier");
		for (String other : new String[] { "main", "sessions", "lisbon", "porto" }) {
			assertThat(tables(other)).doesNotContain("flyway_schema_history", "dossier");
		}
	}

	@Test
	void oneUsersSessionIsKeptOnItsSourceWhileTenantsComeAndGo() throws Exception {
		assertThat(visit("lisbon")).isEqualTo("1");
		assertThat(visit("porto")).isEqualTo("2");
		assertThat(visit("lisbon")).isEqualTo("3");
		assertThat(count("lisbon", "note where text like 'visit%'")).isEqualTo(2);
		assertThat(count("porto", "note where text like 'visit%'")).isOne();
		assertThat(count("sessions", "spring_session")).isOne();
		for (String other : new String[] { "main", "archive", "lisbon", "porto" }) {
			assertThat(tables(other)).noneMatch((table) -> table.equalsIgnoreCase("spring_session"));
		}
	}

	@Test
	void aJobIsKeptOnItsSourceAndWorksForItsTenant(@Autowired Scheduler scheduler,
			@Autowired TransactionTemplate transaction) {
		JobDetail job = JobBuilder.newJob(NoteJob.class)
			.withIdentity("note")
			.usingJobData("tenant", "porto")
			.storeDurably()
			.build();
		// Quartz takes part in no tenant's transaction.
		TenantContext.run("lisbon", () -> transaction.executeWithoutResult((status) -> {
			this.jdbc.sql("insert into note (text) values ('rolled back')").update();
			try {
				scheduler.scheduleJob(job, TriggerBuilder.newTrigger().startNow().build());
			}
			catch (Exception ex) {
				throw new IllegalStateException(ex);
			}
			status.setRollbackOnly();
		}));
		await().untilAsserted(() -> assertThat(count("porto", "note where text = 'of a job'")).isOne());
		assertThat(count("jobs", "qrtz_job_details")).isOne();
		assertThat(count("lisbon", "note where text = 'rolled back'")).isZero();
		assertThat(tables("lisbon")).noneMatch((table) -> table.regionMatches(true, 0, "qrtz", 0, 4));
	}

	private String visit(String tenant) throws Exception {
		return this.http
			.send(HttpRequest.newBuilder(URI.create("http://localhost:" + this.port + "/visits"))
				.header("X-Tenant-Id", tenant)
				.POST(HttpRequest.BodyPublishers.noBody())
				.build(), BodyHandlers.ofString())
			.body();
	}

	private List<String> tables(String source) {
		return SourceContext.call(source,
				() -> this.jdbc.sql("select name from sqlite_master where type = 'table'").query(String.class).list());
	}

	private long count(String source, String from) {
		return SourceContext.call(source,
				() -> this.jdbc.sql("select count(*) from " + from).query(Long.class).single());
	}

	static class NoteJob implements Job {

		@Autowired
		private JdbcClient jdbc;

		@Override
		public void execute(JobExecutionContext context) {
			TenantContext.run(context.getMergedJobDataMap().getString("tenant"),
					() -> this.jdbc.sql("insert into note (text) values ('of a job')").update());
		}

	}

	@RestController
	static class Visits {

		private final JdbcClient jdbc;

		Visits(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		@PostMapping("/visits")
		int visit(HttpSession session) {
			int visits = (session.getAttribute("visits") instanceof Integer before) ? before + 1 : 1;
			session.setAttribute("visits", visits);
			this.jdbc.sql("insert into note (text) values (?)").param("visit " + visits).update();
			return visits;
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration
	@Import(Visits.class)
	static class Application {

		@Bean(defaultCandidate = false)
		@FlywayDataSource
		DataSource flywayDataSource(@Qualifier("archive") DataSource archive) {
			return archive;
		}

		@Bean(defaultCandidate = false)
		@SpringSessionDataSource
		DataSource sessionDataSource(@Qualifier("sessions") DataSource sessions) {
			return sessions;
		}

		@Bean(defaultCandidate = false)
		@SpringSessionTransactionManager
		PlatformTransactionManager sessionTransactionManager(@Qualifier("sessions") DataSource sessions) {
			return new JdbcTransactionManager(sessions);
		}

		@Bean(defaultCandidate = false)
		@QuartzDataSource
		DataSource quartzDataSource(@Qualifier("jobs") DataSource jobs) {
			return jobs;
		}

		@Bean(defaultCandidate = false)
		@QuartzTransactionManager
		PlatformTransactionManager quartzTransactionManager(@Qualifier("jobs") DataSource jobs) {
			return new JdbcTransactionManager(jobs);
		}

	}

}
