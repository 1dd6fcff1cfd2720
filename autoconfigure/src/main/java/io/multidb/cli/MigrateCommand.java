package io.multidb.cli;

import picocli.CommandLine.Command;

import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceEvent;

/** Brings sources up to date. */
@Command(name = "migrate", description = "Brings sources up to date, several at a time.")
class MigrateCommand extends ChangingCommand {

	MigrateCommand(Workshop workshop) {
		super(workshop);
	}

	@Override
	Outcome change(String name) {
		SourceDefinition definition = workshop().registry().get(name).definition();
		if (definition.liquibase().changeLog() == null) {
			return Outcome.done(name, "has no change log" + (definition.readOnly() ? ", as it is read-only" : ""));
		}
		workshop().registry().prepare(name);
		return Outcome.done(name, (workshop().done(name) instanceof SourceEvent.Migrated migrated)
				? "migrated in " + migrated.took().toMillis() + " ms" : "up to date");
	}

}
