package io.multidb;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Runs a method, or every method of a type, on a source named directly, past the routes:
 * for system-wide tables, maintenance, and questions to one source of many. The current
 * tenant, if there is one, stays for logs and audit.
 * <p>
 * The same rules of place and proxying as for {@link Tenant @Tenant} apply. Both on one
 * element are refused at start-up.
 *
 * @see SourceContext
 */
@Documented
@Inherited
@Retention(RetentionPolicy.RUNTIME)
@Target({ ElementType.TYPE, ElementType.METHOD, ElementType.PACKAGE })
public @interface UseSource {

	/**
	 * The name of the source: a constant or a SpEL expression, as {@link Tenant#value()}.
	 * @return the source's name, never empty
	 */
	String value();

	/**
	 * What happens when a transaction or session of another source is open, as
	 * {@link Tenant#transaction()}.
	 * @return refuse, by default
	 */
	OpenTransaction transaction() default OpenTransaction.REFUSE;

}
