package io.multidb.cli;

import java.sql.Connection;

import org.jspecify.annotations.Nullable;

import io.multidb.source.JdbcUrl;
import io.multidb.source.MigrationState;
import io.multidb.source.SourceDefinition;

/** Finds out how a source is, without changing anything. Thread-safe. */
final class Look {

	private final Workshop workshop;

	Look(Workshop workshop) {
		this.workshop = workshop;
	}

	SourceRow at(String name) {
		SourceRow found = this.workshop.registry().look(name, this::read);
		return (found != null) ? found
				: new SourceRow(this.workshop.registry().get(name).definition(), SourceRow.ABSENT, null, null);
	}

	private SourceRow read(SourceDefinition definition, Connection connection) {
		@Nullable MigrationState migrations = null;
		@Nullable String problem = null;
		try {
			migrations = this.workshop.migrator().state(definition, connection);
		}
		catch (Exception ex) {
			problem = "How far it has been migrated cannot be told: " + JdbcUrl.mask(String.valueOf(ex.getMessage()));
		}
		return new SourceRow(definition, SourceRow.UP, migrations, problem);
	}

	SourceRow failed(String name, String reason) {
		return new SourceRow(this.workshop.registry().get(name).definition(), SourceRow.DOWN, null, reason);
	}

}
