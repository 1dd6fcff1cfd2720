package io.multidb.autoconfigure;

import java.util.Map;

import org.junit.jupiter.api.Test;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Configuration;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link OpenInViewEnvironmentPostProcessor}.
 */
class OpenInViewEnvironmentPostProcessorTests {

	private static final String SOURCE = "--app.datasources.main.url=jdbc:sqlite:main.db";

	@Test
	void isFalseInAnApplicationWithSources() {
		assertThat(openInView(Map.of(), SOURCE)).isEqualTo("false");
	}

	@Test
	void isLeftToSpringBootInAnyOther() {
		assertThat(openInView(Map.of())).isNull();
		assertThat(openInView(Map.of(), SOURCE, "--app.tenancy.enabled=false")).isNull();
	}

	@Test
	void theApplicationsOwnValueWins() {
		assertThat(openInView(Map.of(), SOURCE, "--spring.jpa.open-in-view=true")).isEqualTo("true");
		assertThat(openInView(Map.of(), SOURCE, "--spring.jpa.openInView=true")).isEqualTo("true");
		assertThat(openInView(Map.of("spring.jpa.open-in-view", "true"), SOURCE)).isEqualTo("true");
	}

	@Test
	void otherDefaultsStay() {
		assertThat(run(Map.of("mine", "1"), SOURCE, "mine")).isEqualTo("1");
	}

	private static String openInView(Map<String, Object> defaults, String... arguments) {
		return run(defaults, String.join(" ", arguments), "spring.jpa.open-in-view");
	}

	private static String run(Map<String, Object> defaults, String arguments, String property) {
		SpringApplication application = new SpringApplicationBuilder(Nothing.class).web(WebApplicationType.NONE)
			.properties("spring.main.banner-mode=off")
			.properties(defaults)
			.build();
		try (ConfigurableApplicationContext context = application.run(arguments.split(" "))) {
			return context.getEnvironment().getProperty(property);
		}
	}

	@Configuration(proxyBeanMethods = false)
	static class Nothing {

	}

}
