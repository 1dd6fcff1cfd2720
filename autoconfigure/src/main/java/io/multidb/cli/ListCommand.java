package io.multidb.cli;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import org.springframework.boot.json.JsonWriter;

import io.multidb.source.MigrationState;

/** Shows the sources as they are. */
@Command(name = "list",
		description = "Shows the sources. Connects to each one once, reads how far it has been migrated, and changes"
				+ " nothing.")
class ListCommand implements Callable<Integer> {

	private static final JsonWriter<SourceRow> JSON = JsonWriter.of((members) -> {
		members.add("name", SourceRow::name);
		members.add("url", (row) -> row.definition().url().masked());
		members.add("product", SourceRow::product);
		members.add("origin", (row) -> row.definition().origin());
		members.add("state", SourceRow::state);
		members.add("migrations", SourceRow::migrations).whenNotNull().usingMembers((migrations) -> {
			migrations.add("run", MigrationState::run);
			migrations.add("pending", MigrationState::pending);
		});
		members.add("problem", SourceRow::problem).whenNotNull();
	});

	private final Workshop workshop;

	@Spec
	private @Nullable CommandSpec spec;

	@ArgGroup
	private @Nullable Choice choice;

	@Option(names = "--json", description = "Prints JSON.")
	private boolean json;

	ListCommand(Workshop workshop) {
		this.workshop = workshop;
	}

	@Override
	public Integer call() {
		Look look = new Look(this.workshop);
		List<SourceRow> rows = new ArrayList<>(
				this.workshop.run(this.workshop.names(this.choice, Objects.requireNonNull(this.spec).commandLine()),
						look::at, look::failed, (row, progress) -> progress.done(null, row.problem() != null)));
		if (this.choice == null || this.choice.all) {
			this.workshop.configured()
				.templates()
				.forEach((template) -> rows.add(new SourceRow(template.definition(), SourceRow.TEMPLATE, null, null)));
		}
		rows.sort(Comparator.comparing(SourceRow::name));
		if (this.json) {
			this.workshop.out()
				.println("[" + String.join(",\n ", rows.stream().map(JSON::writeToString).toList()) + "]");
		}
		else {
			print(rows);
		}
		return 0;
	}

	private void print(List<SourceRow> rows) {
		Table table = new Table("NAME", "URL", "PRODUCT", "FOUND IN", "STATE", "MIGRATIONS");
		rows.forEach((row) -> table.add(row.name(), row.definition().url().masked(), row.product(),
				row.definition().origin(), row.state(), row.migrationsText()));
		table.print(this.workshop.out());
		rows.stream()
			.filter((row) -> row.problem() != null)
			.forEach((row) -> this.workshop.out().println(row.name() + ": " + row.problem()));
	}

}
