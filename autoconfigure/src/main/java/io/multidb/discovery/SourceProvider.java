package io.multidb.discovery;

import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

import org.jspecify.annotations.Nullable;

import io.multidb.source.SourceDefinition;

/**
 * Defines sources beside those that are declared, and may change its mind while the
 * application runs. A bean of this type is heeded; of several, {@code @Order} says who
 * goes first.
 * <p>
 * Implementations are thread-safe. What they give should not be {@code essential} unless
 * the application is down without it, and says in its {@code origin} where it was found.
 */
public interface SourceProvider {

	/**
	 * What people call it, such as {@code catalog 'main'}.
	 * @return the name
	 */
	String name();

	/**
	 * The definitions that it has now.
	 * @return a snapshot or a live view, by the sources' names; {@code null} as long as
	 * they could not be read even once, which makes unknown names unavailable
	 */
	@Nullable Map<String, SourceDefinition> definitions();

	/**
	 * Why a source of a name that it does not define cannot be used, such as a row with a
	 * mistake. Asked for names that are unknown; must not wait.
	 * @param name the name
	 * @return a sentence without secrets, or {@code null} for a name that it does not
	 * know
	 */
	default @Nullable String problem(String name) {
		return null;
	}

	/**
	 * Begins to tell of changes, after they have become visible in
	 * {@link #definitions()}. Called once. A provider that never changes need not do
	 * anything.
	 * @param listener is told the names whose definitions may be others, or an empty set
	 * for any; returns at once, may be called by any thread
	 */
	default void onChange(Consumer<Set<String>> listener) {
	}

}
