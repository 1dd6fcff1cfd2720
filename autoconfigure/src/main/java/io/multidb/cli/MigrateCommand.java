package io.multidb.cli;

import java.util.Objects;
import java.util.concurrent.Callable;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceEvent;

/** Brings sources up to date. */
@Command(name = "migrate", description = "Brings sources up to date, several at a time.")
class MigrateCommand implements Callable<Integer> {

	private final Workshop workshop;

	@Spec
	private @Nullable CommandSpec spec;

	@ArgGroup(multiplicity = "1")
	private @Nullable Choice choice;

	MigrateCommand(Workshop workshop) {
		this.workshop = workshop;
	}

	@Override
	public Integer call() {
		return this.workshop.forEach(this.workshop.names(this.choice, Objects.requireNonNull(this.spec).commandLine()),
				this::migrate);
	}

	private Outcome migrate(String name) {
		SourceDefinition definition = this.workshop.registry().get(name).definition();
		if (definition.liquibase().changeLog() == null) {
			return Outcome.done(name, "has no change log" + (definition.readOnly() ? ", as it is read-only" : ""));
		}
		this.workshop.registry().prepare(name);
		return Outcome.done(name, (this.workshop.done(name) instanceof SourceEvent.Migrated migrated)
				? "migrated in " + migrated.took().toMillis() + " ms" : "up to date");
	}

}
