package io.multidb.cli;

import java.util.Objects;
import java.util.concurrent.Callable;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

import io.multidb.source.SourceEvent;
import io.multidb.source.SourceRegistry;

/** Makes databases that are not there. */
@Command(name = "create",
		description = "Makes databases that are not there, and migrates them: those of a template, and SQLite files of"
				+ " declared sources. What is there is left alone.")
class CreateCommand implements Callable<Integer> {

	private static final String EXISTS = "exists";

	private final Workshop workshop;

	@Spec
	private @Nullable CommandSpec spec;

	@ArgGroup(multiplicity = "1")
	private @Nullable Choice choice;

	CreateCommand(Workshop workshop) {
		this.workshop = workshop;
	}

	@Override
	public Integer call() {
		return this.workshop.forEach(this.workshop.names(this.choice, Objects.requireNonNull(this.spec).commandLine()),
				this::create);
	}

	private Outcome create(String name) {
		SourceRegistry registry = this.workshop.registry();
		if (!this.workshop.isDeclared(name)) {
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
		SourceEvent event = this.workshop.done(name);
		return "created" + ((event instanceof SourceEvent.Created made) ? " in " + made.took().toMillis() + " ms"
				: (event instanceof SourceEvent.Migrated) ? " and migrated" : "");
	}

}
