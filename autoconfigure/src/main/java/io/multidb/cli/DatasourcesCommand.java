package io.multidb.cli;

import java.util.Objects;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** What stands before every command. */
@Command(name = DatasourcesCommandLine.NAME,
		description = "Lists, finds, creates, migrates and checks the databases of this application.",
		synopsisSubcommandLabel = "COMMAND",
		footer = { "", "Options of Spring Boot may follow, such as --spring.profiles.active=prod." })
class DatasourcesCommand implements Runnable {

	@Spec
	private @Nullable CommandSpec spec;

	@Option(names = { "-h", "--help" }, usageHelp = true, scope = ScopeType.INHERIT, description = "Shows this.")
	@SuppressWarnings("UnusedVariable") // picocli acts on it
	private boolean help;

	@Override
	public void run() {
		throw new ParameterException(Objects.requireNonNull(this.spec).commandLine(), "Say which command.");
	}

}
