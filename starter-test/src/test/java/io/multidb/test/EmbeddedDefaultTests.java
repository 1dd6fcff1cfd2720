package io.multidb.test;

import java.nio.file.Path;

import javax.sql.DataSource;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.source.SourceRegistry;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * An embedded database that Spring Boot chose, once there are sources beside it.
 */
class EmbeddedDefaultTests {

	@TempDir
	private Path directory;

	private final ApplicationContextRunner contextRunner = new ApplicationContextRunner()
		.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class));

	@Test
	void oneThatIsConfiguredGoesOnAsTheSourceDefault() {
		this.contextRunner.withPropertyValues(lisbon())
			.withPropertyValues("spring.datasource.generate-unique-name=false", "spring.datasource.name=shop")
			.run((context) -> {
				JdbcClient jdbc = JdbcClient.create(context.getBean("default", DataSource.class));
				jdbc.sql("create table t (id int)").update();
				assertThat(context.getBean(SourceRegistry.class).get("default").definition())
					.satisfies((source) -> assertThat(source.url().text()).startsWith("jdbc:h2:mem:shop"))
					.satisfies((source) -> assertThat(source.username()).isEqualTo("sa"));
				assertThat(jdbc.sql("select count(*) from t").query(Long.class).single()).isZero();
			});
	}

	@Test
	void oneThatIsOnlyOnTheClassPathIsNotMeant() {
		this.contextRunner.withPropertyValues(lisbon())
			.run((context) -> assertThat(context.getBean(SourceRegistry.class).sources()).hasSize(1));
	}

	private String lisbon() {
		return "app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db");
	}

}
