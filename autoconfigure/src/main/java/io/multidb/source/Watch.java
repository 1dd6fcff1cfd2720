package io.multidb.source;

import java.util.concurrent.Callable;
import java.util.function.Function;

import org.jspecify.annotations.Nullable;

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

	/** Watches a piece of work on a source. */
	default <T> T over(Activity activity, SourceDefinition definition, Callable<T> work, Function<T, String> outcome)
			throws Exception {
		Watched watched = begin(activity, definition.name(), definition.product());
		String ended = "failed";
		Throwable failure = null;
		try {
			T result = work.call();
			ended = outcome.apply(result);
			return result;
		}
		catch (Throwable ex) {
			failure = ConnectFailure.withoutSecrets(definition, ex);
			throw ex;
		}
		finally {
			watched.end(ended, failure);
		}
	}

}
