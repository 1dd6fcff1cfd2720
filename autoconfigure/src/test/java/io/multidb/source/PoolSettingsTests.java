package io.multidb.source;

import java.util.Map;

import com.zaxxer.hikari.HikariConfig;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link PoolSettings}.
 */
class PoolSettingsTests {

	@Test
	void whoBindsTheSameSettingsHasAConfigurationOfItsOwn() {
		Map<String, String> settings = Map.of("maximum-pool-size", "3");
		HikariConfig one = PoolSettings.bind(settings);
		one.setMaximumPoolSize(7);
		one.setPoolName("one");
		HikariConfig other = PoolSettings.bind(settings);
		assertThat(other.getMaximumPoolSize()).isEqualTo(3);
		assertThat(other.getPoolName()).isNull();
		assertThat(other.getMinimumIdle()).isZero();
	}

	@Test
	void whoReadsTheSameSettingsAtTheSameTimeWaitsForThemToBeBoundOnce() throws Exception {
		for (int i = 0; i < 50; i++) {
			Map<String, String> settings = Map.of("pool-name", "of-this-test", "maximum-pool-size", "1" + i);
			assertThat(Race.run(8, () -> System.identityHashCode(PoolSettings.read(settings))).stream().distinct())
				.hasSize(1);
		}
	}

	@Test
	void noSettingsAreHikarisOwnButForIdleConnections() {
		HikariConfig none = PoolSettings.bind(Map.of());
		assertThat(none.getMinimumIdle()).isZero();
		assertThat(none.getConnectionTimeout()).isEqualTo(new HikariConfig().getConnectionTimeout());
		assertThat(none.getInitializationFailTimeout()).isEqualTo(-1);
	}

}
