/**
 * What an application author touches: {@link io.multidb.Tenant @Tenant},
 * {@link io.multidb.UseSource @UseSource}, the contexts behind them, and every exception.
 */
@NullMarked
package io.multidb;

import org.jspecify.annotations.NullMarked;
