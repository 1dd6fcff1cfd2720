package io.multidb.cli;

import picocli.CommandLine.Command;

import io.multidb.source.SourceEvent;
import io.multidb.source.SourceRegistry;

/** Makes databases that are not there. */
@Command(name = "create",
		description = "Makes databases that are not there, and migrates them: those of a template, and SQLite files of"
				+ " declared sources. What is there is left alone.")
class CreateCommand extends ChangingCommand {

	private static final String EXISTS = "exists";

	CreateCommand(Workshop workshop) {
		super(workshop);
	}

	@Override
	Outcome change(String name) {
		SourceRegistry registry = workshop().registry();
		if (!workshop().isDeclared(name)) {
			boolean made = registry.create(name);
			return Outcome.done(name, made ? created(name) : EXISTS);
		}
		if (Boolean.TRUE.equals(registry.look(name, (definition, connection) -> true))) {
			return Outcome.done(name, EXISTS);
		}
		registry.prepare(name);
		return Outcome.done(name, created(name));
	}

	private String created(String name) {
		SourceEvent event = workshop().done(name);
		return "created" + ((event instanceof SourceEvent.Created made) ? " in " + made.took().toMillis() + " ms"
				: (event instanceof SourceEvent.Migrated) ? " and migrated" : "");
	}

}
