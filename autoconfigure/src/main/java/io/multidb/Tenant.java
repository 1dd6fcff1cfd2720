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
 * its type's, a class's before its superclass's before its interfaces'; two on one
 * element that differ are refused at start-up. On a package it holds for the beans whose
 * classes, or repositories whose interfaces, lie just there and not below, and that bear
 * none; {@code app.tenancy.packages} does the same for packages that are named after
 * their tenants.
 * <p>
 * It is applied by a Spring proxy, always outside {@code @Transactional}. As with every
 * proxy, a bean's calls to itself are not intercepted; a method that can never be
 * (private, static, final) is refused at start-up. The tenant ends when the method
 * returns or throws: what a returned {@code CompletableFuture}, stream or publisher does
 * later is not done for it. With {@code @Async} the method's own thread enters the
 * tenant.
 *
 * @see TenantContext
 */
@Documented
@Inherited
@Retention(RetentionPolicy.RUNTIME)
@Target({ ElementType.TYPE, ElementType.METHOD, ElementType.PACKAGE })
public @interface Tenant {

	/**
	 * Whose work it is. A value that contains {@code #} is a SpEL expression over the
	 * method's arguments, such as {@code "'election-' + #id"}; any other is a constant in
	 * which <code>${…}</code> placeholders are resolved. Empty (the default): a tenant
	 * must be there already, else {@link NoTenantException}.
	 * <p>
	 * An expression reads arguments, by name ({@code -parameters}) or position
	 * ({@code #a0}), their properties and their methods; it reaches no types or beans and
	 * changes nothing. What can never work, such as an unknown argument, fails the start.
	 * A {@code null} is a {@link NoTenantException}, never the text "null"; text, whole
	 * numbers, UUIDs, characters and enum constants (their name) make a tenant id, any
	 * other object is an {@link IllegalStateException}.
	 * @return a constant, an expression, or an empty string
	 */
	String value() default "";

	/**
	 * What happens when a transaction or session of another source is open: the switch is
	 * refused, or they are suspended for as long as the method runs. A method that is
	 * itself {@code REQUIRES_NEW} or {@code NOT_SUPPORTED} suspends them in any case.
	 * Another tenant of the same source is no switch: it takes part.
	 * @return refuse, by default
	 */
	OpenTransaction transaction() default OpenTransaction.REFUSE;

	/**
	 * Whether the tenant's database is created when it does not exist yet, before the
	 * method is entered. Only a template whose {@code create} is {@code explicit} or
	 * {@code on-first-use} makes databases; others refuse with
	 * {@link UnknownTenantException}.
	 * @return {@code true} to create a missing database
	 */
	boolean create() default false;

}
