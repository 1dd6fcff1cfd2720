package io.multidb.migration;

import java.io.Serial;

import io.multidb.MultiDbException;
import io.multidb.source.SourceDefinition;

/**
 * A change log could not be run on a source. Reaches callers as the cause of a
 * {@link io.multidb.SourceUnavailableException}: the source is not handed out.
 */
final class MigrationFailedException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	MigrationFailedException(SourceDefinition definition, Throwable cause) {
		super("Source '" + definition.name() + "' could not be migrated with " + definition.liquibase().changeLog()
				+ ": " + root(cause) + ". Correct the change log or the database; it is tried again by itself.", cause);
	}

	/** Liquibase wraps the same sentence several times over. */
	private static String root(Throwable cause) {
		Throwable root = cause;
		for (int depth = 0; depth < 20 && root.getCause() != null && root.getCause().getMessage() != null; depth++) {
			root = root.getCause();
		}
		return String.valueOf(root.getMessage()).strip();
	}

}
