package io.multidb.routing;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/**
 * Tests for {@link Rendezvous} and {@link Shards}.
 */
class RendezvousTests {

	private static final int TENANTS = 100_000;

	/** As Python's hashlib says, too. If one of these changes, tenants are lost. */
	@ParameterizedTest
	@CsvSource({ "chat-1, chats-1, 27b8e71484d3c4ab", "chat-1, chats-2, 1c821a166d97b29a",
			"Acme.Corp, shop_7, cc816041f86c1415", "42, a, d837af07139c2244" })
	void weightsAreTheSameForEver(String tenant, String source, String weight) {
		assertThat(Long.toHexString(Rendezvous.weight(tenant, source))).isEqualTo(weight);
	}

	@ParameterizedTest
	@CsvSource({ "chat-1, 312", "chat-2, 312", "chat-3, 132", "chat-4, 312", "chat-5, 213", "chat-6, 132",
			"Acme.Corp, 123", "acme.corp, 312", "_, 123", "9, 231" })
	void preferencesAreTheSameForEver(String tenant, String order) {
		List<String> expected = Arrays.stream(order.split("")).map("chats-"::concat).toList();
		assertThat(new Shards(List.of("chats-3", "chats-1", "chats-2"), 1).preferredBy(tenant)).isEqualTo(expected);
		assertThat(new Shards(List.of("chats-1", "chats-2", "chats-3"), 9).preferredBy(tenant)).isEqualTo(expected);
	}

	/**
	 * As even as chance has it. With 64 sources, chance alone makes the fullest of them 6
	 * to 9 % fuller than the mean at 100,000 tenants.
	 */
	@ParameterizedTest
	@CsvSource({ "4, 1.02", "16, 1.05", "64, 1.10" })
	void tenantsAreSpreadEvenly(int sources, double maximum) {
		Map<String, Integer> counts = new HashMap<>();
		List<String> names = names(sources);
		IntStream.range(0, TENANTS)
			.forEach((i) -> counts.merge(Rendezvous.order("chat-" + i, names).get(0), 1, Integer::sum));
		double mean = (double) TENANTS / sources;
		assertThat(counts).hasSize(sources);
		assertThat(counts.values().stream().mapToInt(Integer::intValue).max().orElseThrow() / mean).isLessThan(maximum);
		double chiSquare = counts.values()
			.stream()
			.mapToDouble((count) -> (count - mean) * (count - mean) / mean)
			.sum();
		// Of 10,000 even distributions, one is above it.
		assertThat(chiSquare).isLessThan(sources - 1 + 4.5 * Math.sqrt(2 * sources) + 5);
	}

	@Test
	void aFurtherSourceIsPreferredByItsShareAndChangesNothingElse() {
		List<String> names = names(64);
		List<String> more = names(65);
		int moved = 0;
		for (int i = 0; i < TENANTS; i++) {
			String before = Rendezvous.order("chat-" + i, names).get(0);
			String after = Rendezvous.order("chat-" + i, more).get(0);
			if (!after.equals(before)) {
				assertThat(after).isEqualTo("shard-64");
				moved++;
			}
		}
		assertThat(moved / (double) TENANTS).isBetween(0.013, 0.018);
	}

	private static List<String> names(int number) {
		return IntStream.range(0, number).mapToObj((i) -> "shard-" + i).toList();
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "a,a", "a,b,a" })
	void noneOrTheSameTwiceAreNoShards(String sources) {
		List<String> names = sources.isEmpty() ? List.of() : List.of(sources.split(","));
		assertThatIllegalArgumentException().isThrownBy(() -> new Shards(names, 1));
	}

}
