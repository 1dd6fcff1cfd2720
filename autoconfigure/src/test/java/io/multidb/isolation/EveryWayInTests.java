package io.multidb.isolation;

import java.nio.file.Path;

import javax.sql.DataSource;

import net.ttddyy.dsproxy.support.ProxyDataSourceBuilder;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every row is in its tenant's database and nowhere else, whatever way it came. Another
 * seed: {@code -Deveryway.seed=42}.
 */
class EveryWayInTests {

	private static final long SEED = Long.getLong("everyway.seed", System.nanoTime());

	@TempDir
	private Path directory;

	@Test
	void everyRowIsInItsTenantsDatabase() {
		new EveryWayIn(SEED).sqlite(this.directory, 6).run(4, 6_000);
	}

	@Test
	void everyWayAsksWhoMay() {
		new EveryWayIn(SEED).sqlite(this.directory, 1).askWhoMay();
	}

	@Test
	void everyRowIsInItsTenantsDatabaseBehindAWrapper() {
		new EveryWayIn(SEED).sqlite(this.directory, 6).wrapped(EveryWayInTests::proxy).run(4, 6_000);
	}

	@Test
	void everyWayAsksWhoMayBehindAWrapper() {
		new EveryWayIn(SEED).sqlite(this.directory, 1).wrapped(EveryWayInTests::proxy).askWhoMay();
	}

	private static DataSource proxy(DataSource dataSource) {
		return ProxyDataSourceBuilder.create(dataSource).buildProxy();
	}

	@Test
	@Tag("stress")
	void everyRowOfAMillionOperationsIsInItsTenantsDatabase() {
		new EveryWayIn(SEED).sqlite(this.directory, 24).run(8, 1_000_000);
	}

}
