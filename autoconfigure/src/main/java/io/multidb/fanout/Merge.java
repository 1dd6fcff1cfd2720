package io.multidb.fanout;

import java.util.Iterator;

/**
 * How rows of many sources become one result.
 *
 * @param <T> what a row is
 * @param <P> what is kept of the rows of one source
 */
interface Merge<T, P> {

	/**
	 * Takes the rows of one source, on its worker's thread; not all of them, if it needs
	 * no more.
	 */
	Part<P> read(int index, String source, Iterator<? extends T> rows);

	/**
	 * Adds what was kept, on the thread that asks.
	 * @throws RuntimeException if that fails; then nothing has been added
	 */
	void add(P part);

	/**
	 * What is kept of the rows of one source.
	 *
	 * @param kept what
	 * @param count how many rows there were
	 */
	record Part<P>(P kept, long count) {
	}

}
