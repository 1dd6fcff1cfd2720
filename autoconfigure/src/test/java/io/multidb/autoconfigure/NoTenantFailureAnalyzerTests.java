package io.multidb.autoconfigure;

import java.nio.file.Path;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.ImportAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.routing.RoutingDataSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for {@link NoTenantFailureAnalyzer}.
 */
@ExtendWith(OutputCaptureExtension.class)
class NoTenantFailureAnalyzerTests {

	@TempDir
	private Path directory;

	@Configuration(proxyBeanMethods = false)
	@ImportAutoConfiguration({ MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class })
	static class Eager {

		@Bean
		Integer answer(RoutingDataSource router) {
			return JdbcClient.create(router).sql("select 42").query(Integer.class).single();
		}

	}

	@Test
	void aStartThatNeedsATenantSaysWhoNeedsItAndWhatToDo(CapturedOutput output) {
		SpringApplication application = new SpringApplication(Eager.class);
		application.setWebApplicationType(WebApplicationType.NONE);
		assertThatExceptionOfType(Exception.class).isThrownBy(() -> application
			.run("--app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db")));
		assertThat(output).contains("APPLICATION FAILED TO START",
				"The bean 'answer' needed a connection while the application started, and no tenant was current.",
				"'app.tenancy.no-tenant'");
	}

}
