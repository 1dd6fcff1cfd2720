package io.multidb.cli;

import java.util.Comparator;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.stream.Stream;

import picocli.CommandLine.Command;

import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceTemplate;

/** Says what would be connected, and opens nothing. */
@Command(name = "discover",
		description = "Shows which databases are found, and where, without connecting to any of them.")
class DiscoverCommand implements Callable<Integer> {

	private final Workshop workshop;

	DiscoverCommand(Workshop workshop) {
		this.workshop = workshop;
	}

	@Override
	public Integer call() {
		Configured configured = this.workshop.configured();
		Table table = new Table("NAME", "URL", "PRODUCT", "FOUND IN");
		List<SourceDefinition> definitions = Stream
			.concat(configured.sources().stream(), configured.templates().stream().map(SourceTemplate::definition))
			.sorted(Comparator.comparing(SourceDefinition::name))
			.toList();
		for (SourceDefinition definition : definitions) {
			table.add(definition.name(), definition.url().masked(), SourceRow.product(definition), definition.origin());
		}
		for (String name : new TreeSet<>(configured.ofDefault())) {
			table.add(name, "that of default", "", "nowhere");
		}
		table.print(this.workshop.out());
		if (configured.catalog() != null) {
			this.workshop.out()
				.println("Note: the catalog in '" + configured.catalog().source() + "' is not read; 'list' shows it");
		}
		configured.notes().forEach((note) -> this.workshop.out().println("Note: " + note));
		return 0;
	}

}
