package io.multidb.fanout;

import java.nio.file.Path;
import java.util.List;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

import io.multidb.SourceContext;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.autoconfigure.MultiDbFanOutAutoConfiguration;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link MultiDbFanOutAutoConfiguration}.
 */
class FanOutAutoConfigurationTests {

	@TempDir
	private Path directory;

	private final ApplicationContextRunner contextRunner = new ApplicationContextRunner()
		.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbFanOutAutoConfiguration.class));

	private ApplicationContextRunner withSources() {
		return this.contextRunner.withPropertyValues("app.datasources.ca.url=jdbc:sqlite:" + this.directory + "/ca.db",
				"app.datasources.ny.url=jdbc:sqlite:" + this.directory + "/ny.db");
	}

	@Test
	void fanOutIsThereAndNothingOfItIsLeftWhenTheContextIsClosed() {
		withSources().run((context) -> {
			assertThat(context).hasSingleBean(FanOut.class).doesNotHaveBean(FanOutJournal.class);
			assertThat(Sources.threads("multidb-fan-out")).isEmpty();
			assertThat(context.getBean(FanOut.class)
				.over(List.of("ca", "ny"))
				.query((jdbc) -> jdbc.sql("select 1").query(Integer.class).list())
				.values()).containsExactly(1, 1);
		});
		await().until(() -> Sources.threads("multidb-").isEmpty());
	}

	@Test
	void journalIsThereWhereItHasASource() {
		withSources().withPropertyValues("app.tenancy.fan-out.journal.source=ny").run((context) -> {
			FanOutResult<String> result = context.getBean(FanOut.class)
				.over(List.of("ca"))
				.call(SourceContext::require);
			assertThat(context.getBean(FanOutJournal.class).find(result.id())).isNotNull();
		});
		await().until(() -> Sources.threads("multidb-").isEmpty());
	}

	@Test
	void timeoutOfThePropertyIsUsed() {
		withSources().withPropertyValues("app.tenancy.fan-out.timeout=50ms").run((context) -> {
			FanOutResult<Object> result = context.getBean(FanOut.class).over(List.of("ca")).call(() -> {
				Thread.currentThread().join();
				return null;
			});
			assertThat(result.count(SourceOutcome.Status.TIMED_OUT)).isEqualTo(1);
		});
	}

	@Test
	void itBacksOffForTheApplicationsOwn() {
		withSources().withUserConfiguration(Own.class)
			.run((context) -> assertThat(context).hasSingleBean(FanOut.class).hasBean("own"));
	}

	@Test
	void withoutSourcesItStaysAway() {
		this.contextRunner.run((context) -> assertThat(context).doesNotHaveBean(FanOut.class));
	}

	@Configuration(proxyBeanMethods = false)
	static class Own {

		@Bean
		FanOut own(SourceRegistry registry, RoutingDataSource router) {
			return new FanOut(registry, router, java.time.Duration.ofSeconds(1), 1, null);
		}

	}

}
