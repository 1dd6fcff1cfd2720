package io.multidb.cli;

import java.util.List;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which sources a command is about. */
final class Choice {

	@Option(names = "--all", required = true,
			description = "All declared sources and those of the catalog. Databases of a template are named one by one.")
	boolean all;

	@Parameters(paramLabel = "NAME", arity = "1..*", description = "Sources, or tenants of a template.")
	@Nullable List<String> names;

}
