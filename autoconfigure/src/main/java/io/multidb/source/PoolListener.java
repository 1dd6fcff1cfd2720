package io.multidb.source;

import com.zaxxer.hikari.metrics.MetricsTrackerFactory;
import org.jspecify.annotations.Nullable;

/**
 * Is told which pools there are to be measured; every bean of this type is. Called by
 * many threads, without a lock but while others wait for the source; must be quick.
 */
public interface PoolListener {

	/**
	 * A pool was opened.
	 * @param source the source whose it is
	 * @param counts what is counted of it
	 */
	void opened(Source source, LeaseCounts counts);

	/**
	 * Asked before a pool of HikariCP's is made.
	 * @param source the source's name
	 * @return what HikariCP is to tell of every connection, which costs more than the
	 * connection itself; {@code null} for nothing
	 */
	default @Nullable MetricsTrackerFactory tracker(String source) {
		return null;
	}

	/**
	 * A source was removed at run time.
	 * @param source the source
	 */
	void removed(Source source);

}
