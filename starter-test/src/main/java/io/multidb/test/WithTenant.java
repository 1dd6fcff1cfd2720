package io.multidb.test;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Runs a test for a tenant: it is entered before the test's transaction begins and before
 * {@code @BeforeEach} and {@code @Sql}, and left when all of them are done. <pre>
 * &#64;Test
 * &#64;WithTenant("election-*")   // a new election with an empty, migrated database
 * void countsVotes() {
 *     elections.vote("Ada");
 * }
 * </pre> On a class it is meant for each of its tests; a test's own goes before. Other
 * annotations may bear it. The tenant's id is {@link io.multidb.TenantContext#current()}.
 */
@Target({ ElementType.TYPE, ElementType.METHOD })
@Retention(RetentionPolicy.RUNTIME)
@Inherited
@Documented
public @interface WithTenant {

	/**
	 * The tenant's id. A {@code *} in it stands for something that no other test has: if
	 * the route of such a tenant leads to a template, its database is made for this one
	 * test and deleted afterwards. Only the first of a context is migrated; the others
	 * are copies of it.
	 * @return the id of a tenant, or one with a {@code *}
	 */
	String value();

}
