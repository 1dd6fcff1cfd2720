package io.multidb.web;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.runner.WebApplicationContextRunner;
import org.springframework.boot.webmvc.autoconfigure.WebMvcAutoConfiguration;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.mock.web.MockHttpServletRequest;
import org.springframework.mock.web.MockHttpSession;
import org.springframework.transaction.support.TransactionTemplate;
import org.springframework.web.context.request.RequestContextHolder;
import org.springframework.web.context.request.ServletRequestAttributes;

import io.multidb.TenantContext;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.autoconfigure.MultiDbWebAutoConfiguration;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.CallerSession;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link HttpCallerSession}.
 */
class HttpCallerSessionTests {

	@TempDir
	private Path directory;

	private final HttpCallerSession caller = new HttpCallerSession();

	private final MockHttpServletRequest request = new MockHttpServletRequest();

	@AfterEach
	void reset() {
		RequestContextHolder.resetRequestAttributes();
	}

	@Test
	void thereIsNoneOutsideOfARequest() {
		assertThat(this.caller.id()).isNull();
	}

	@Test
	void noneIsMadeForARequestWithout() {
		RequestContextHolder.setRequestAttributes(new ServletRequestAttributes(this.request));
		assertThat(this.caller.id()).isNull();
		assertThat(this.request.getSession(false)).isNull();
	}

	@Test
	void theOneOfTheRequestIsTaken() {
		RequestContextHolder.setRequestAttributes(new ServletRequestAttributes(this.request));
		assertThat(this.caller.id()).isNull();
		assertThat(this.request.getSession().getId()).isEqualTo(this.caller.id());
	}

	@Test
	void whoHasWrittenInItsSessionReadsFromThePrimary() throws SQLException {
		for (String name : new String[] { "main", "copy" }) {
			try (Connection connection = DriverManager.getConnection(url(name));
					Statement statement = connection.createStatement()) {
				statement.execute("create table who as select '" + name + "' as name");
			}
		}
		new WebApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbWebAutoConfiguration.class,
					WebMvcAutoConfiguration.class))
			.withPropertyValues("app.datasources.main.url=" + url("main"), "app.datasources.main.replicas=copy",
					"app.datasources.copy.url=" + url("copy"))
			.run((context) -> {
				assertThat(context).hasSingleBean(CallerSession.class);
				RoutingDataSource router = context.getBean(RoutingDataSource.class);
				RequestContextHolder.setRequestAttributes(new ServletRequestAttributes(this.request));
				this.request.setSession(new MockHttpSession(null, "writer"));
				TenantContext.run("main", () -> {
					int written = JdbcClient.create(router).sql("insert into who values ('new')").update();
					assertThat(written).isOne();
				});
				assertThat(who(router)).isEqualTo("main");
				this.request.setSession(new MockHttpSession(null, "reader"));
				assertThat(who(router)).isEqualTo("copy");
				this.request.setSession(new MockHttpSession(null, "writer"));
				assertThat(who(router)).isEqualTo("main");
			});
	}

	@Test
	void anApplicationMayTellSessionsByItself() {
		new WebApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbWebAutoConfiguration.class,
					WebMvcAutoConfiguration.class))
			.withPropertyValues("app.datasources.main.url=" + url("main"))
			.withBean("own", CallerSession.class, () -> () -> "me")
			.run((context) -> assertThat(context).hasSingleBean(CallerSession.class)
				.doesNotHaveBean(HttpCallerSession.class));
	}

	private String url(String name) {
		return "jdbc:sqlite:" + this.directory.resolve(name + ".db");
	}

	private static String who(RoutingDataSource router) {
		TransactionTemplate readOnly = new TransactionTemplate(new JdbcTransactionManager(router));
		readOnly.setReadOnly(true);
		return TenantContext.<String, RuntimeException>call("main",
				() -> String.valueOf(readOnly.<String>execute((status) -> JdbcClient.create(router)
					.sql("select name from who limit 1")
					.query(String.class)
					.single())));
	}

}
