/**
 * Spring Data JDBC on one or several database products.
 */
@NullMarked
package io.multidb.jdbc;

import org.jspecify.annotations.NullMarked;
