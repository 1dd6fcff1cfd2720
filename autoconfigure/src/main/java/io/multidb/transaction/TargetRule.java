package io.multidb.transaction;

import java.lang.reflect.Method;
import java.util.Objects;
import java.util.function.Supplier;

import org.jspecify.annotations.Nullable;

import org.springframework.util.StringValueResolver;

import io.multidb.InvalidTenantException;
import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.TenantContext;
import io.multidb.routing.Routes;

/**
 * What an annotation asks for on one method, ready to be applied. Immutable.
 *
 * @param kind which annotation
 * @param constant the tenant or source, or {@code null} where an expression gives it or a
 * tenant must be there already
 * @param expression gives the tenant or source, or {@code null}
 * @param create whether a missing database is made
 */
record TargetRule(Kind kind, @Nullable String constant, @Nullable TargetExpression expression, boolean create) {

	enum Kind {

		TENANT, SOURCE

	}

	/**
	 * Reads an annotation's value.
	 * @throws IllegalStateException if it can never work
	 */
	static TargetRule of(Kind kind, String value, boolean create, String where, Method method, Method annotated,
			StringValueResolver placeholders) {
		if (value.isEmpty()) {
			if (kind == Kind.SOURCE || create) {
				throw new IllegalStateException(where + " needs a value.");
			}
			return new TargetRule(kind, null, null, false);
		}
		if (value.contains("#")) {
			return new TargetRule(kind, null, new TargetExpression(value, where, method, annotated), create);
		}
		String constant = Objects.requireNonNullElse(placeholders.resolveStringValue(value), "");
		try {
			return new TargetRule(kind, TenantContext.check(constant), null, create);
		}
		catch (InvalidTenantException ex) {
			String what = (kind == Kind.TENANT) ? "tenant" : "source";
			throw new IllegalStateException(where + " names no valid " + what + ". " + ex.getMessage());
		}
	}

	/**
	 * Makes the target current.
	 * @param arguments the call's arguments
	 * @param routes where databases are made; asked for only when one may be needed
	 * @return the scope, or {@code null} when nothing changes
	 */
	@Nullable Scope enter(@Nullable Object[] arguments, Supplier<Routes> routes) {
		String name = this.constant;
		if (this.expression != null) {
			name = this.expression.evaluate(arguments);
		}
		if (name == null) {
			TenantContext.require();
			return null;
		}
		if (this.kind == Kind.SOURCE) {
			return SourceContext.enter(name);
		}
		if (this.create) {
			routes.get().create(TenantContext.check(name));
		}
		return TenantContext.enter(name);
	}

}
