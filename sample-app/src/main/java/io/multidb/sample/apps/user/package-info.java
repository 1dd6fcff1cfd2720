/**
 * Profiles, in a database of their own: its database.properties says where.
 */
@NullMarked
package io.multidb.sample.apps.user;

import org.jspecify.annotations.NullMarked;
