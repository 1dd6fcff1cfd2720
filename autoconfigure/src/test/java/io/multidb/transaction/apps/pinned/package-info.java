/**
 * Says whose its beans are.
 */
@Tenant("${city}")
package io.multidb.transaction.apps.pinned;

import io.multidb.Tenant;
