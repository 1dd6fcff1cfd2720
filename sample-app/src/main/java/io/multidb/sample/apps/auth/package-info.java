/**
 * Logins. It uses the database of all apps, until AUTH_DATABASE_URL says otherwise.
 */
@NullMarked
package io.multidb.sample.apps.auth;

import org.jspecify.annotations.NullMarked;
