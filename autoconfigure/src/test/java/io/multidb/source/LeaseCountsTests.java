package io.multidb.source;

import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link LeaseCounts}.
 */
class LeaseCountsTests {

	private static final long MILLISECOND = TimeUnit.MILLISECONDS.toNanos(1);

	/** So many leases that were waited for, and lent, for a millisecond at least. */
	private static int lend(LeaseCounts counts, int leases) {
		int timed = 0;
		for (int i = 0; i < leases; i++) {
			boolean isTimed = counts.asked() != LeaseCounts.UNTIMED;
			long since = counts.lent(isTimed ? System.nanoTime() - MILLISECOND : LeaseCounts.UNTIMED);
			if (since != LeaseCounts.UNTIMED) {
				counts.returned(since - MILLISECOND);
				timed++;
			}
		}
		return timed;
	}

	@Test
	void eachIsTimedIfThatIsWanted() {
		LeaseCounts counts = new LeaseCounts(1);
		assertThat(lend(counts, 100)).isEqualTo(100);
		LeaseCounts.Totals totals = counts.totals();
		assertThat(totals.leases()).isEqualTo(100);
		assertThat(totals.waited()).isGreaterThanOrEqualTo(100 * MILLISECOND);
		assertThat(totals.held()).isGreaterThanOrEqualTo(100 * MILLISECOND);
	}

	@Test
	void oneOfSoManyStandsForTheOthers() {
		LeaseCounts counts = new LeaseCounts(8);
		int timed = lend(counts, 80_000);
		assertThat(timed).as("of 80,000, at random").isBetween(9_000, 11_000);
		LeaseCounts.Totals totals = counts.totals();
		assertThat(totals.leases()).isEqualTo(80_000);
		assertThat(totals.waited()).isGreaterThan(70_000 * MILLISECOND);
		assertThat(totals.held()).isGreaterThan(70_000 * MILLISECOND);
	}

	@Test
	void whatIsOnlyLookedAtIsNotCounted() {
		LeaseCounts counts = new LeaseCounts(1);
		assertThat(counts.lent(LeaseCounts.UNCOUNTED)).isEqualTo(LeaseCounts.UNTIMED);
		assertThat(counts.totals()).isEqualTo(LeaseCounts.Totals.NONE);
	}

	@Test
	void totalsAddUp() {
		LeaseCounts.Totals some = new LeaseCounts.Totals(4, 3, 2, 1);
		assertThat(some.plus(some).minus(some)).isEqualTo(some);
		assertThat(some.minus(some)).isEqualTo(LeaseCounts.Totals.NONE);
	}

}
