package io.multidb.routing;

import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;

import org.jspecify.annotations.Nullable;

/**
 * A store that numbers its changes in the order in which they come into force. So it may
 * be used by several threads at the same time and inside of a caller's transaction: what
 * is read late or told late is recognized by its number. Thread-safe.
 */
public interface NumberedMappingStore extends MappingStore {

	/**
	 * Gives all mappings away.
	 * @param taken takes them, and is called once
	 * @param <T> what it makes of them
	 * @return what it has made of them
	 * @throws io.multidb.SourceUnavailableException if they cannot be read now
	 */
	<T> T read(Function<Contents, T> taken);

	/**
	 * Keeps a mapping in place of the tenant's former one, or removes that.
	 * @param tenant the tenant
	 * @param source the source's name; {@code null} to remove the mapping
	 * @param kept is given the change's revision when it is there for good, and is not
	 * called before or if it is undone: before this method returns, or, where it takes
	 * part in a transaction of the caller's, on his thread after the commit. With
	 * {@code null} for the revision, {@code kept} and {@link #read} are called in the
	 * order of what they tell
	 * @throws io.multidb.SourceUnavailableException if it cannot be kept now
	 */
	void change(String tenant, @Nullable String source, Consumer<@Nullable Revision> kept);

	@Override
	default Map<String, String> load() {
		return read(Contents::mappings);
	}

	@Override
	default void save(String tenant, String source) {
		change(tenant, source, (revision) -> {
		});
	}

	@Override
	default void remove(String tenant) {
		change(tenant, null, (revision) -> {
		});
	}

	/**
	 * All mappings at one moment.
	 *
	 * @param mappings sources' names by tenant; not changed by anybody any more
	 * @param revision the last change that is among them; {@code null} where
	 * {@link #change} gives none either
	 */
	record Contents(Map<String, String> mappings, @Nullable Revision revision) {
	}

	/**
	 * The place of a change in the order of all.
	 *
	 * @param restored how often an older state was put back, as far as this process has
	 * noticed: numbers begin anew by that
	 * @param number its number since
	 */
	record Revision(long restored, long number) implements Comparable<Revision> {

		@Override
		public int compareTo(Revision other) {
			int order = Long.compare(this.restored, other.restored);
			return (order != 0) ? order : Long.compare(this.number, other.number);
		}

	}

}
