package io.multidb.cli;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Supplier;

import io.multidb.source.SourceMigrator;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * A command that was run, and what it printed.
 *
 * @param exitCode the exit code
 * @param out what was asked for
 * @param err what is wrong
 */
record CommandRun(int exitCode, String out, String err) {

	static CommandRun of(Supplier<Configured> configured, SourceMigrator migrator, boolean terminal,
			String... arguments) {
		ByteArrayOutputStream out = new ByteArrayOutputStream();
		ByteArrayOutputStream err = new ByteArrayOutputStream();
		int exitCode = new DatasourcesCommandLine(configured, migrator, CommandRun::suggest, print(out), print(err),
				terminal)
			.run(List.of(arguments));
		return new CommandRun(exitCode, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
	}

	private static String suggest(String unknown, Collection<String> known) {
		return " Known: " + String.join(", ", new TreeSet<>(known));
	}

	private static PrintStream print(ByteArrayOutputStream bytes) {
		return new PrintStream(bytes, true, StandardCharsets.UTF_8);
	}

	/** What was said of each source, which must be one thing. */
	Map<String, String> outcomes() {
		Map<String, String> outcomes = new LinkedHashMap<>();
		for (String line : this.out.lines().toList()) {
			String[] words = line.split(" {2,}", 2);
			if (words.length == 2) {
				assertThat(outcomes.put(words[0], words[1])).as(line).isNull();
			}
		}
		return outcomes;
	}

}
