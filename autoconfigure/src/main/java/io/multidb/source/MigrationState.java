package io.multidb.source;

/**
 * How far a database has been migrated.
 *
 * @param run how many changes have been run, those too that the change log no longer has
 * @param pending how many changes of the change log would be run now
 */
public record MigrationState(int run, int pending) {

}
