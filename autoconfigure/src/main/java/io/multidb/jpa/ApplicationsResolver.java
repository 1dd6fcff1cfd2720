package io.multidb.jpa;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;
import io.multidb.Target;
import io.multidb.WrongSourceException;
import io.multidb.routing.Routes;
import io.multidb.routing.TargetAccess;

/**
 * An application's own resolver, whose identifiers may be finer than sources (a tenant,
 * for a {@code @TenantId} column) and never coarser: it is refused to let one identifier
 * stand for two sources, for they would share caches. Thread-safe.
 */
final class ApplicationsResolver implements SourceIdentifiers {

	private final CurrentTenantIdentifierResolver<?> resolver;

	private final Routes routes;

	/** {@code null} where there are no rules. */
	private final @Nullable TargetAccess access;

	private final Map<Object, String> sources = new ConcurrentHashMap<>();

	ApplicationsResolver(CurrentTenantIdentifierResolver<?> resolver, Routes routes, @Nullable TargetAccess access) {
		this.resolver = resolver;
		this.routes = routes;
		this.access = access;
	}

	@Override
	public Object resolveCurrentTenantIdentifier() {
		Object identifier = this.resolver.resolveCurrentTenantIdentifier();
		String source;
		try {
			Target target = Target.current();
			source = ((this.access != null) ? this.access.resolve(target) : this.routes.resolve(target)).name();
		}
		catch (MultiDbException ex) {
			return identifier;
		}
		String former = this.sources.putIfAbsent(identifier, source);
		if (former != null && !former.equals(source)) {
			throw new WrongSourceException(
					"The identifier '" + identifier + "' of " + this.resolver.getClass().getName()
							+ " stood for source '" + former + "' and would now stand for source '" + source
							+ "', which would share its caches. Let it tell sources apart, or leave it out.",
					former);
		}
		return identifier;
	}

	@Override
	public @Nullable String sourceOf(Object identifier) {
		return this.sources.get(identifier);
	}

	@Override
	public boolean isCurrent(Object identifier) {
		return identifier.equals(resolveCurrentTenantIdentifier());
	}

	/** One for both, so they share caches; the guide says what to do. */
	@Override
	public @Nullable Boolean isOnFallback(Object identifier) {
		return null;
	}

	/** Nobody can tell what it would say of a target that is yet to be entered. */
	@Override
	public boolean areOfSources() {
		return false;
	}

	@Override
	public boolean validateExistingCurrentSessions() {
		return this.resolver.validateExistingCurrentSessions();
	}

	@Override
	public boolean isRoot(Object identifier) {
		return isRoot(this.resolver, identifier);
	}

	@SuppressWarnings("unchecked")
	private static <T> boolean isRoot(CurrentTenantIdentifierResolver<T> resolver, Object identifier) {
		return resolver.isRoot((T) identifier);
	}

}
