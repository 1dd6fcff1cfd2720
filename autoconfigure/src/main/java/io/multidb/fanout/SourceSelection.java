package io.multidb.fanout;

import java.util.Collection;

/**
 * Says which sources are asked, such as all that a user may search.
 */
@FunctionalInterface
public interface SourceSelection {

	/**
	 * The sources, as of now. Called once per fan-out, on the thread that asks.
	 * @return their names
	 */
	Collection<String> names();

}
