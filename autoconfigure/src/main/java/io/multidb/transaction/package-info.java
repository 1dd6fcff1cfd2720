/**
 * Where a tenant begins and ends: the advice behind {@link io.multidb.Tenant @Tenant} and
 * {@link io.multidb.UseSource @UseSource}, outside of every transaction.
 */
@NullMarked
package io.multidb.transaction;

import org.jspecify.annotations.NullMarked;
