package io.multidb;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Runs a method, or every method of a type, for a tenant: each connection taken inside
 * goes to that tenant's source.
 * <p>
 * May stand on classes, interfaces, methods, Spring Data repositories and, as a
 * meta-annotation, on annotations of your own. The nearest one wins: a method's before
 * its type's. It is applied by a Spring proxy, always outside {@code @Transactional}; a
 * method that a proxy cannot intercept (private, static, final) is refused at start-up
 * instead of being ignored.
 *
 * @see TenantContext
 */
@Documented
@Inherited
@Retention(RetentionPolicy.RUNTIME)
@Target({ ElementType.TYPE, ElementType.METHOD })
public @interface Tenant {

	/**
	 * Whose work it is. A value that contains {@code #} is a SpEL expression over the
	 * method's arguments, such as {@code "'election-' + #id"}; any other is a constant in
	 * which <code>${…}</code> placeholders are resolved. Empty (the default): a tenant
	 * must be there already, else {@link NoTenantException}.
	 * <p>
	 * An expression that names an unknown argument fails the start. An argument that is
	 * {@code null}, or a {@code null} joined with {@code +}, is a
	 * {@link NoTenantException}, never the text "null".
	 * @return a constant, an expression, or an empty string
	 */
	String value() default "";

	/**
	 * Whether the tenant's database is created when it does not exist yet, before the
	 * method is entered. Only a template whose {@code create} is {@code explicit} or
	 * {@code on-first-use} makes databases; others refuse with
	 * {@link UnknownTenantException}.
	 * @return {@code true} to create a missing database
	 */
	boolean create() default false;

}
