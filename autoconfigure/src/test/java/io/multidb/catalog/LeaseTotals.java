package io.multidb.catalog;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

import io.multidb.source.LeaseCounts;
import io.multidb.source.PoolListener;
import io.multidb.source.Source;

/**
 * How many connections a source has lent.
 */
final class LeaseTotals implements PoolListener {

	private final String source;

	private final List<LeaseCounts> pools = new CopyOnWriteArrayList<>();

	LeaseTotals(String source) {
		this.source = source;
	}

	long total() {
		return this.pools.stream().mapToLong((pool) -> pool.totals().leases()).sum();
	}

	@Override
	public void opened(Source opened, LeaseCounts counts) {
		if (opened.name().equals(this.source)) {
			this.pools.add(counts);
		}
	}

	@Override
	public void removed(Source removed) {
	}

}
