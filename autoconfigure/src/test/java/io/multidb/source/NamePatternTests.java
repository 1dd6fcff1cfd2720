package io.multidb.source;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/**
 * Tests for {@link NamePattern}.
 */
class NamePatternTests {

	@ParameterizedTest
	@CsvSource({ "main, main, true", "main, Main, false", "chat-*, chat-1, true", "chat-*, chat-, false",
			"chat-*, chats, false", "*, x, true", "election-{id}, election-42, true", "{id}-eu, acme-eu, true",
			"a*a, aa, false", "a*a, aba, true", "a*a, a, false" })
	void matches(String pattern, String name, boolean matches) {
		assertThat(NamePattern.of(pattern).matches(name)).isEqualTo(matches);
	}

	@Test
	void fillsItsVariableAndTheWholeTenant() {
		NamePattern pattern = NamePattern.of("election-{id}");
		assertThat(pattern.fill("{tenant}/{id}", "election-42")).isEqualTo("election-42/42");
	}

	@ParameterizedTest
	@CsvSource({ "*, chat-*, true", "chat-*, chat-eu-*, true", "chat-*, chat-1, true", "chat-*, *, false",
			"chat-1, chat-*, false", "chat-1, chat-1, true", "*-eu, chat-*-eu, true", "chat-*, chat-, false",
			"a*, *a, false" })
	void coversWhatItLeavesNothingOf(String earlier, String later, boolean covers) {
		assertThat(NamePattern.of(earlier).covers(NamePattern.of(later))).isEqualTo(covers);
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "a b", "a/*", "*-*", "{a}{b}", "{a", "{}", "{1}", ".x", ".*", "ä*" })
	void refusesWhatCanNeverMatchATenant(String text) {
		assertThatIllegalArgumentException().isThrownBy(() -> NamePattern.of(text)).withMessageContaining(text);
	}

	@Test
	void tenantAlwaysMeansTheWholeId() {
		assertThatIllegalArgumentException().isThrownBy(() -> NamePattern.of("chat-{tenant}"))
			.withMessageContaining("{id}");
	}

}
