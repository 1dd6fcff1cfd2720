package io.multidb.cli;

import java.util.Objects;
import java.util.concurrent.Callable;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Tells whether all is well. */
@Command(name = "check",
		description = "Reads the configuration and connects to each source; changes nothing. Fails if there is a"
				+ " mistake, or a source cannot be connected.")
class CheckCommand implements Callable<Integer> {

	private final Workshop workshop;

	@Spec
	private @Nullable CommandSpec spec;

	@ArgGroup
	private @Nullable Choice choice;

	CheckCommand(Workshop workshop) {
		this.workshop = workshop;
	}

	@Override
	public Integer call() {
		return this.workshop.forEach(this.workshop.names(this.choice, Objects.requireNonNull(this.spec).commandLine()),
				this::check);
	}

	private Outcome check(String name) {
		SourceRow row = new Look(this.workshop).at(name);
		if (row.problem() != null) {
			return Outcome.failed(name, row.problem());
		}
		if (row.state().equals(SourceRow.ABSENT)) {
			return this.workshop.isDeclared(name) ? Outcome.done(name, "ok: no file yet, made at its first use")
					: Outcome.failed(name, "It has no database.");
		}
		return Outcome.done(name, "ok"
				+ ((row.migrations() != null && row.migrations().pending() > 0) ? ": " + row.migrationsText() : ""));
	}

}
