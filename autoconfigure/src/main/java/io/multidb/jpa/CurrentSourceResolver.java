package io.multidb.jpa;

import java.lang.ref.WeakReference;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;
import io.multidb.Target;
import io.multidb.routing.Routes;
import io.multidb.source.Source;

/**
 * Tells Hibernate the name of the current target's source, which it makes part of every
 * session, cache key and block of identifiers. Two tenants of one source share them. A
 * source that was removed and added again is another one, and gets another identifier.
 * Thread-safe.
 */
final class CurrentSourceResolver implements SourceIdentifiers {

	/**
	 * Of a session that was opened where no source can be told. Hibernate does without
	 * {@code null}; no source can have this name.
	 */
	static final String NO_SOURCE = "(no source)";

	/** No source's name contains it. */
	private static final char NUMBER = '#';

	private final Routes routes;

	/** The latest of each name. */
	private final Map<String, Known> known = new ConcurrentHashMap<>();

	CurrentSourceResolver(Routes routes) {
		this.routes = routes;
	}

	@Override
	public Object resolveCurrentTenantIdentifier() {
		try {
			return identifier(this.routes.resolve(Target.current()));
		}
		catch (MultiDbException ex) {
			// Opening a session needs no source; its first connection throws the same.
			return NO_SOURCE;
		}
	}

	/** A template's source that was closed comes back with the same database. */
	private String identifier(Source source) {
		if (source.definition().template() != null) {
			return source.name();
		}
		Known latest = this.known.get(source.name());
		if (latest == null || !latest.source().refersTo(source)) {
			latest = this.known.compute(source.name(), (name, former) -> Known.of(source, former));
		}
		return latest.identifier();
	}

	@Override
	public @Nullable String sourceOf(Object identifier) {
		if (identifier.equals(NO_SOURCE)) {
			return null;
		}
		String text = identifier.toString();
		int end = text.indexOf(NUMBER);
		return (end < 0) ? text : text.substring(0, end);
	}

	@Override
	public boolean areOfSources() {
		return true;
	}

	/** For those who use Hibernate's own current session, which Spring does not. */
	@Override
	public boolean validateExistingCurrentSessions() {
		return true;
	}

	/** A source that was seen, and how many of its name were. */
	private record Known(WeakReference<Source> source, String identifier, int number) {

		static Known of(Source source, @Nullable Known former) {
			if (former == null) {
				return new Known(new WeakReference<>(source), source.name(), 1);
			}
			if (former.source.refersTo(source) || source.isGone()) {
				// Looked up before it was removed: it gets no connection any more.
				return former;
			}
			int number = former.number + 1;
			return new Known(new WeakReference<>(source), source.name() + NUMBER + number, number);
		}

	}

}
