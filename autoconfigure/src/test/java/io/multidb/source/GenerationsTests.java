package io.multidb.source;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.logging.LogLevel;
import org.springframework.boot.logging.LoggingSystem;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * Tests for {@link Generations}, and for what a registry keeps of sources that are gone.
 */
class GenerationsTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private final Generations generations = new Generations();

	@Test
	void eachOfANameHasANumberOfItsOwn() {
		assertThat(this.generations.next("a")).isOne();
		assertThat(this.generations.next("a")).as("still the same").isOne();
		this.generations.ended("a");
		assertThat(this.generations.next("a")).isEqualTo(2);
		this.generations.ended("a");
		assertThat(this.generations.next("a")).isEqualTo(3);
		assertThat(this.generations.next("b")).isOne();
	}

	@Test
	void whatIsForgottenIsNotTakenForTheFirst() {
		for (int i = 0; i < 4; i++) {
			this.generations.ended("a");
		}
		for (int i = 0; i < Generations.REMEMBERED; i++) {
			assertThat(this.generations.next("x" + i)).isOne();
			this.generations.ended("x" + i);
		}
		assertThat(this.generations.next("a")).isEqualTo(5);
		assertThat(this.generations.next("never")).as("it may have been").isEqualTo(5);
		Set<Integer> numbers = new HashSet<>();
		for (int i = 0; i < 3 * Generations.REMEMBERED; i++) {
			this.generations.ended("y" + i);
			if (i % (Generations.REMEMBERED / 2) == 0) {
				assertThat(numbers.add(this.generations.next("never"))).isTrue();
				this.generations.ended("never");
			}
		}
	}

	@Test
	void nothingIsKeptOfSourcesThatAreGone() throws Exception {
		LoggingSystem logging = LoggingSystem.get(getClass().getClassLoader());
		LogLevel former = logging.getLoggerConfiguration("io.multidb").getConfiguredLevel();
		logging.setLogLevel("io.multidb", LogLevel.WARN);
		try {
			SourceRegistry registry = this.sources.with(Sources.sqlite("main", this.directory))
				.with(new PoolLimits(10, PoolLimits.WhenFull.WAIT, Duration.ZERO, Duration.ofSeconds(30)))
				.registry();
			Map<String, Integer> before = sizes(registry);
			for (int i = 0; i < 100_000; i++) {
				registry.add(Sources.sqlite("s" + i, this.directory).build());
				if (i % 1000 == 0) {
					Sources.query(registry.get("s" + i), "select 1");
				}
				if (i % 100 == 0) {
					registry.add(Sources.sqlite("f" + i, this.directory)
						.fallback(FallbackSettings.readOnly("s" + i))
						.build());
					registry.remove("f" + i);
				}
				registry.remove("s" + i);
				this.sources.events.clear();
			}
			await().untilAsserted(() -> assertThat(sizes(registry)).isEqualTo(before));
			assertThat(before).containsKeys("SourceRegistry.sources", "SourceRegistry.namesByFold",
					"Conflicts.fallbacks", "OpenPools.places");
		}
		finally {
			logging.setLogLevel("io.multidb", former);
		}
	}

	/**
	 * How large everything is that a registry keeps, in maps and collections of its own
	 * and of what it has; of former names it may remember some.
	 */
	private static Map<String, Integer> sizes(Object registry) throws IllegalAccessException {
		Map<String, Integer> sizes = new TreeMap<>();
		collect(registry, sizes, new IdentityHashMap<>());
		assertThat(sizes.remove("Generations.former")).isNotNull().isLessThanOrEqualTo(Generations.REMEMBERED);
		// By what they do, and not by source
		sizes.keySet().removeIf((name) -> name.startsWith("Background."));
		return sizes;
	}

	private static void collect(Object object, Map<String, Integer> sizes, Map<Object, Object> seen)
			throws IllegalAccessException {
		if (seen.put(object, object) != null) {
			return;
		}
		for (Field field : object.getClass().getDeclaredFields()) {
			if (Modifier.isStatic(field.getModifiers())) {
				continue;
			}
			field.setAccessible(true);
			Object value = field.get(object);
			String name = object.getClass().getSimpleName() + "." + field.getName();
			if (value instanceof Map<?, ?> map) {
				sizes.merge(name, map.size(), Math::max);
			}
			else if (value instanceof Collection<?> collection) {
				sizes.merge(name, collection.size(), Math::max);
			}
			else if (value != null && value.getClass().getPackage() == SourceRegistry.class.getPackage()) {
				collect(value, sizes, seen);
			}
		}
	}

}
