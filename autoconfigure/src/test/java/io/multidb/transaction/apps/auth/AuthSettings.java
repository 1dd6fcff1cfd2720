package io.multidb.transaction.apps.auth;

/**
 * A value.
 *
 * @param name its name
 */
public record AuthSettings(String name) {

}
