package io.multidb.transaction;

import java.lang.reflect.Method;
import java.util.Objects;

import org.jspecify.annotations.Nullable;

import org.springframework.util.StringValueResolver;

import io.multidb.InvalidTenantException;
import io.multidb.Target;
import io.multidb.TenantContext;

/**
 * What an annotation asks for on one method, ready to be applied. Immutable.
 *
 * @param kind which annotation
 * @param constant the tenant or source, or {@code null} where an expression gives it or a
 * tenant must be there already
 * @param expression gives the tenant or source, or {@code null}
 * @param create whether a missing database is made
 * @param suspend whether what is open on another source is suspended, and not the switch
 * refused
 */
record TargetRule(Kind kind, @Nullable String constant, @Nullable TargetExpression expression, boolean create,
		boolean suspend) {

	enum Kind {

		TENANT, SOURCE

	}

	/**
	 * Reads an annotation's value.
	 * @throws TargetMistakeException if it can never work
	 */
	static TargetRule of(Kind kind, String value, boolean create, boolean suspend, String where, Method method,
			Method annotated, StringValueResolver placeholders) {
		if (value.isEmpty()) {
			if (kind == Kind.SOURCE || create) {
				throw new TargetMistakeException(where + " needs a value.", (kind == Kind.SOURCE) ? "Name the source."
						: "Name the tenant whose database is created when it is missing.");
			}
			return new TargetRule(kind, null, null, false, suspend);
		}
		if (value.contains("#")) {
			return new TargetRule(kind, null, new TargetExpression(value, where, method, annotated), create, suspend);
		}
		String constant = resolve(value, where, placeholders);
		try {
			return new TargetRule(kind, TenantContext.check(constant), null, create, suspend);
		}
		catch (InvalidTenantException ex) {
			String what = (kind == Kind.TENANT) ? "tenant" : "source";
			throw new TargetMistakeException(where + " names no valid " + what + ". " + ex.getMessage(),
					"Correct the name; an expression has a # before each argument, as in 'election-' + #id.");
		}
	}

	private static String resolve(String value, String where, StringValueResolver placeholders) {
		try {
			return Objects.requireNonNullElse(placeholders.resolveStringValue(value), "");
		}
		catch (IllegalArgumentException ex) {
			throw new TargetMistakeException(
					where + " has a placeholder that nothing resolves. " + ex.getMessage() + ".",
					"Set the property, or write a default, as in ${city:lisbon}.", ex);
		}
	}

	/**
	 * The target to be entered.
	 * @param arguments the call's arguments
	 * @return the target, or {@code null} when nothing changes
	 */
	@Nullable Target target(@Nullable Object[] arguments) {
		String name = this.constant;
		if (this.expression != null) {
			name = this.expression.evaluate(arguments);
		}
		if (name == null) {
			TenantContext.require();
			return null;
		}
		return (this.kind == Kind.SOURCE) ? Target.ofSource(name) : Target.ofTenant(name);
	}

}
