package io.multidb.source;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Starts tasks at the same moment.
 */
public final class Race {

	private Race() {
	}

	/**
	 * Runs a task on several threads that wait for each other first.
	 * @param threads how many
	 * @param task what each does
	 * @param <T> what it returns
	 * @return what each returned, or threw
	 */
	public static <T> List<Object> run(int threads, Callable<T> task) throws Exception {
		CyclicBarrier start = new CyclicBarrier(threads);
		ExecutorService executor = Executors.newFixedThreadPool(threads);
		try {
			List<Future<T>> futures = new ArrayList<>();
			for (int i = 0; i < threads; i++) {
				futures.add(executor.submit(() -> {
					start.await(30, TimeUnit.SECONDS);
					return task.call();
				}));
			}
			List<Object> outcomes = new ArrayList<>();
			for (Future<T> future : futures) {
				try {
					outcomes.add(future.get(60, TimeUnit.SECONDS));
				}
				catch (java.util.concurrent.ExecutionException ex) {
					outcomes.add(ex.getCause());
				}
			}
			return outcomes;
		}
		finally {
			executor.shutdownNow();
		}
	}

}
