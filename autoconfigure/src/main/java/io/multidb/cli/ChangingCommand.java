package io.multidb.cli;

import java.util.Objects;
import java.util.concurrent.Callable;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Changes sources one by one, which have to be named. */
abstract class ChangingCommand implements Callable<Integer> {

	private final Workshop workshop;

	@Spec
	private @Nullable CommandSpec spec;

	@ArgGroup(multiplicity = "1")
	private @Nullable Choice choice;

	ChangingCommand(Workshop workshop) {
		this.workshop = workshop;
	}

	@Override
	public final Integer call() {
		return this.workshop.forEach(this.workshop.names(this.choice, Objects.requireNonNull(this.spec).commandLine()),
				this::change);
	}

	final Workshop workshop() {
		return this.workshop;
	}

	/** Changes one; called by several threads. */
	abstract Outcome change(String name);

}
