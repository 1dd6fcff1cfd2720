package io.multidb.source;

import java.util.List;
import java.util.Map;

import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link LiquibaseSettings}.
 */
class LiquibaseSettingsTests {

	@Test
	void valuesOfParametersAreNotShown() {
		assertThat(new LiquibaseSettings("classpath:db/notes.yaml", List.of("prod"), List.of(),
				Map.of("reader_password", "s3cret")))
			.asString()
			.contains("classpath:db/notes.yaml", "prod", "reader_password")
			.doesNotContain("s3cret");
	}

}
