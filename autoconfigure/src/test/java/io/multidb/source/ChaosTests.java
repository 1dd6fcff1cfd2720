package io.multidb.source;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * {@link Chaos} with SQLite files.
 */
@Timeout(300)
class ChaosTests {

	@TempDir
	private Path directory;

	private final Sources sources = new Sources().with(SourceMigrator.NONE);

	@AfterEach
	void close() {
		this.sources.close();
	}

	@Test
	void everyRowIsWhereItBelongsAndNothingIsLeft() throws Exception {
		run(Duration.ofMillis(1500));
	}

	@Test
	@Tag("stress")
	void everyRowIsWhereItBelongsAndNothingIsLeftForAWhile() throws Exception {
		run(Duration.ofSeconds(45));
	}

	private void run(Duration time) throws Exception {
		List<SourceDefinition> definitions = new ArrayList<>();
		for (String name : IntStream.range(0, 8).mapToObj((i) -> "s" + i).toList()) {
			definitions.add(Sources.sqlite(name, this.directory)
				.hikari(Map.of("maximum-pool-size", "3", "connection-timeout", "500",
						"data-source-properties.busy_timeout", "500"))
				.build());
		}
		SourceRegistry registry = this.sources
			.with(new PoolLimits(4, PoolLimits.WhenFull.WAIT, Duration.ZERO, Duration.ofSeconds(30)))
			.registry();
		for (SourceDefinition definition : definitions) {
			registry.add(definition);
			Sources.execute(registry.get(definition.name()), "create table chaos (id integer, source varchar(9))");
		}
		assertThat(new Chaos(registry, definitions, (source, random) -> {
		}).run(time)).isPositive();
	}

}
