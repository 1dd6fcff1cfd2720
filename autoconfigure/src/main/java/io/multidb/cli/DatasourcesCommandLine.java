package io.multidb.cli;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.Writer;
import java.util.Collection;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Supplier;

import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

import io.multidb.InvalidDatasourcesException;
import io.multidb.MultiDbException;
import io.multidb.source.JdbcUrl;
import io.multidb.source.SourceMigrator;

/**
 * Runs the command line of an application, for which none of its beans is needed. Used
 * once, by one thread.
 */
public final class DatasourcesCommandLine {

	/** The first argument of an application that is meant for this command line. */
	public static final String NAME = "datasources";

	private final Supplier<Configured> configuration;

	private final SourceMigrator migrator;

	private final BiFunction<String, Collection<String>, String> suggestion;

	private final PrintStream out;

	private final PrintStream err;

	private final boolean terminal;

	/**
	 * Creates the command line.
	 * @param configuration reads what was configured; throws
	 * {@link InvalidDatasourcesException} if it has mistakes
	 * @param migrator migrates databases
	 * @param suggestion what to say of an unknown name, of those that are known
	 * @param out gets what was asked for
	 * @param err gets what is wrong
	 * @param terminal whether somebody watches, who is shown progress
	 */
	public DatasourcesCommandLine(Supplier<Configured> configuration, SourceMigrator migrator,
			BiFunction<String, Collection<String>, String> suggestion, PrintStream out, PrintStream err,
			boolean terminal) {
		this.configuration = configuration;
		this.migrator = migrator;
		this.suggestion = suggestion;
		this.out = out;
		this.err = err;
		this.terminal = terminal;
	}

	/**
	 * Runs a command.
	 * @param arguments those behind {@value #NAME}; Spring's own among them are left to
	 * Spring
	 * @return the process's exit code: 0 if all is well, 1 if anything has failed, 2 if
	 * the command was not understood
	 */
	public int run(List<String> arguments) {
		try (Workshop workshop = new Workshop(this.configuration, this.migrator, this.suggestion, this.out, this.err,
				this.terminal)) {
			CommandLine commandLine = new CommandLine(new DatasourcesCommand());
			List.of(new ListCommand(workshop), new DiscoverCommand(workshop), new CreateCommand(workshop),
					new MigrateCommand(workshop), new CheckCommand(workshop))
				.forEach(commandLine::addSubcommand);
			commandLine.setOut(writer(this.out));
			commandLine.setErr(writer(this.err));
			commandLine.setColorScheme(CommandLine.Help
				.defaultColorScheme(this.terminal ? CommandLine.Help.Ansi.AUTO : CommandLine.Help.Ansi.OFF));
			commandLine.setParameterExceptionHandler((ex, rest) -> misunderstood(ex));
			commandLine.setExecutionExceptionHandler((ex, command, parsed) -> failed(ex));
			return commandLine
				.execute(arguments.stream().filter((argument) -> !isSprings(argument)).toArray(String[]::new));
		}
		finally {
			this.out.flush();
		}
	}

	/** Only the stream itself knows its encoding, up to Java 18. */
	private static PrintWriter writer(PrintStream stream) {
		return new PrintWriter(new Writer() {

			@Override
			public void write(char[] text, int offset, int length) {
				stream.print(String.valueOf(text, offset, length));
			}

			@Override
			public void flush() {
				stream.flush();
			}

			@Override
			public void close() {
				stream.flush();
			}

		}, true);
	}

	/** Properties have dots in their names, and options of ours have none. */
	private static boolean isSprings(String argument) {
		String name = argument.split("=", 2)[0];
		return name.startsWith("--") && (name.contains(".") || name.equals("--debug") || name.equals("--trace"));
	}

	/** The usage too, which picocli leaves out where it knows what was probably meant. */
	private static int misunderstood(ParameterException failure) {
		CommandLine command = failure.getCommandLine();
		command.getErr().println(failure.getMessage());
		UnmatchedArgumentException.printSuggestions(failure, command.getErr());
		command.usage(command.getErr());
		return CommandLine.ExitCode.USAGE;
	}

	private int failed(Exception failure) {
		if (failure instanceof InvalidDatasourcesException invalid) {
			List<String> mistakes = invalid.mistakes();
			this.err.println("The configuration of datasources and tenancy has "
					+ ((mistakes.size() == 1) ? "a mistake" : mistakes.size() + " mistakes") + ":");
			mistakes.forEach((mistake) -> this.err.println("  - " + mistake));
			this.err.println("A command has none of the application's beans: what only they define is missing here.");
		}
		else if (failure instanceof MultiDbException) {
			this.err.println(failure.getMessage());
		}
		else {
			StringWriter trace = new StringWriter();
			failure.printStackTrace(new PrintWriter(trace));
			this.err.println(JdbcUrl.mask(trace.toString()));
		}
		return CommandLine.ExitCode.SOFTWARE;
	}

}
