package io.multidb.jpa;

import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;
import io.multidb.Target;
import io.multidb.routing.Routes;
import io.multidb.routing.TargetAccess;
import io.multidb.source.Source;

/**
 * Tells Hibernate the identity of the current target's source, which it makes part of
 * every session, cache key and block of identifiers. Two tenants of one source share
 * them. Thread-safe.
 */
final class CurrentSourceResolver implements SourceIdentifiers {

	/**
	 * Of a session that was opened where no source can be told. Hibernate does without
	 * {@code null}; no source can have this name.
	 */
	static final String NO_SOURCE = "(no source)";

	/** Between a source's name and a number, in its identity. */
	private static final char NUMBER = '#';

	/** Before the name of the fallback, in the identity of work that is done there. */
	private static final char FALLEN_BACK = '>';

	private final Routes routes;

	/** {@code null} where there are no rules. */
	private final @Nullable TargetAccess access;

	/**
	 * Creates the resolver.
	 * @param access the rules, or {@code null}. A session of somebody who may not even
	 * read has no source, so that he finds nothing in caches either
	 */
	CurrentSourceResolver(Routes routes, @Nullable TargetAccess access) {
		this.routes = routes;
		this.access = access;
	}

	private Source resolve(Target target) {
		return (this.access != null) ? this.access.resolve(target) : this.routes.resolve(target);
	}

	private boolean isDenied(Source source) {
		return this.access != null && !this.access.mayRead(Target.current(), source.name());
	}

	@Override
	public Object resolveCurrentTenantIdentifier() {
		try {
			Source source = resolve(Target.current());
			return isDenied(source) ? NO_SOURCE : source.identityOfWork();
		}
		catch (MultiDbException ex) {
			// Opening a session needs no source; its first connection throws the same.
			return NO_SOURCE;
		}
	}

	@Override
	public @Nullable String sourceOf(Object identifier) {
		if (identifier.equals(NO_SOURCE)) {
			return null;
		}
		return before(NUMBER, identity(identifier));
	}

	/** The source's own, wherever its work is done. */
	private static String identity(Object identifier) {
		return before(FALLEN_BACK, identifier.toString());
	}

	private static String before(char end, String text) {
		int at = text.indexOf(end);
		return (at < 0) ? text : text.substring(0, at);
	}

	@Override
	public boolean isCurrent(Object identifier) {
		try {
			return identity(identifier).equals(resolve(Target.current()).identity());
		}
		catch (MultiDbException ex) {
			return identifier.equals(NO_SOURCE);
		}
	}

	@Override
	public Boolean isOnFallback(Object identifier) {
		return identifier.toString().indexOf(FALLEN_BACK) >= 0;
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

}
