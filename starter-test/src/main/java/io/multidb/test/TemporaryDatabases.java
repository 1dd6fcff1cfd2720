package io.multidb.test;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Puts every SQLite file of a test's application context in a new directory, which is
 * deleted when the context is closed: of each source and template under
 * {@code app.datasources}, and of {@code spring.datasource.url}. Other products stay
 * where they are.
 * <p>
 * In {@code @JdbcTest}, {@code @DataJpaTest} and the like it also keeps Spring Boot from
 * putting one embedded database in the place of all sources.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Inherited
@Documented
public @interface TemporaryDatabases {

}
