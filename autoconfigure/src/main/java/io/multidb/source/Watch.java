package io.multidb.source;

import java.util.concurrent.Callable;
import java.util.function.Function;

import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * Watches work that takes time, such as opening a source; never the way to a connection
 * of an open one. Called on the thread that does the work, by many.
 */
@FunctionalInterface
public interface Watch {

	/** What is watched. */
	enum Activity {

		/** A source is connected, brought up to date, and its pool is made. */
		OPEN,

		/** A template's database is made, unless it is there. */
		CREATE,

		/** A database is brought up to date by its change log, if it is not. */
		MIGRATE,

		/** Many sources are asked one question. */
		FAN_OUT,

		/** One of them is asked. */
		FAN_OUT_SOURCE,

		/** The catalog is read. */
		CATALOG_READ

	}

	/** Something that has begun. */
	@FunctionalInterface
	interface Watched {

		/** Nobody watches. */
		Watched NONE = (outcome, failure) -> {
		};

		/**
		 * It has ended, on the thread on which it began.
		 * @param outcome what became of it, one of a few words
		 * @param failure what was thrown, without secrets, or {@code null}
		 */
		void end(String outcome, @Nullable Throwable failure);

	}

	/** Watches nothing. */
	Watch NONE = (activity, source, product) -> Watched.NONE;

	/**
	 * Something begins.
	 * @param activity what
	 * @param source the source on which it is done, or {@code null} for none or many
	 * @param product the source's product, or {@code null} if that does not matter
	 * @return is told when it ends
	 */
	Watched begin(Activity activity, @Nullable String source, @Nullable DatabaseProduct product);

	/**
	 * Something begins on a source.
	 * @param activity what
	 * @param definition the source's
	 * @return is told when it ends; the failure may have secrets of the source in it
	 */
	default Watched begin(Activity activity, SourceDefinition definition) {
		Watched watched = begin(activity, definition.name(), definition.product());
		if (watched.equals(Watched.NONE)) {
			return watched;
		}
		return (outcome, failure) -> watched.end(outcome, (failure != null) ? told(definition, failure) : null);
	}

	/**
	 * Watches a piece of work on a source. What fails in watching it is logged: a pool
	 * that was made meanwhile would be lost.
	 */
	default <T> T over(Activity activity, SourceDefinition definition, Callable<T> work, Function<T, String> outcome)
			throws Exception {
		Watched watched = begun(activity, definition);
		String ended = "failed";
		Throwable failure = null;
		try {
			T result = work.call();
			ended = outcome.apply(result);
			return result;
		}
		catch (Throwable ex) {
			failure = ex;
			throw ex;
		}
		finally {
			if (!watched.equals(Watched.NONE)) {
				ended(watched, definition, ended, failure);
			}
		}
	}

	private Watched begun(Activity activity, SourceDefinition definition) {
		try {
			return begin(activity, definition);
		}
		catch (RuntimeException | Error ex) {
			unwatched(definition, ex);
			return Watched.NONE;
		}
	}

	private static void ended(Watched watched, SourceDefinition definition, String outcome,
			@Nullable Throwable failure) {
		try {
			watched.end(outcome, failure);
		}
		catch (RuntimeException | Error ex) {
			unwatched(definition, ex);
		}
	}

	private static void unwatched(SourceDefinition definition, Throwable failure) {
		LoggerFactory.getLogger(Watch.class).warn("{}: what watches it failed", definition.name(), failure);
	}

	private static Throwable told(SourceDefinition definition, Throwable failure) {
		try {
			return definition.masked(failure);
		}
		catch (RuntimeException ex) {
			// One whose message cannot even be read.
			return new IllegalStateException(failure.getClass().getName());
		}
	}

}
