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

}
