package io.multidb.routing;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import io.multidb.SourceUnavailableException;
import io.multidb.source.NamePattern;
import io.multidb.source.Race;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;
import io.multidb.source.TestPostgres;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link ShardTables} on PostgreSQL, and of several processes.
 */
class ShardTablesIntegrationTests {

	private static TestPostgres postgres;

	@TempDir
	private Path directory;

	@BeforeAll
	static void start() throws SQLException {
		postgres = TestPostgres.start();
		for (String shard : List.of("a", "b", "c", "d")) {
			postgres.run("CREATE DATABASE shard_" + shard);
		}
	}

	@AfterAll
	static void stop() throws Exception {
		postgres.close();
	}

	private static Sources node() {
		Sources sources = new Sources();
		for (String shard : List.of("a", "b", "c", "d")) {
			sources.with(SourceDefinition.named(shard)
				.url(postgres.url("shard_" + shard))
				.username(postgres.username())
				.password(postgres.password()));
		}
		return sources;
	}

	private static Routes routes(SourceRegistry registry, int generation, String... sources) {
		return new Routes(
				List.of(new Route(List.of(NamePattern.of("chat-*")), new Shards(List.of(sources), generation))), null,
				registry);
	}

	private static List<String> tenants(SourceRegistry registry) throws SQLException {
		List<String> all = new ArrayList<>();
		for (String source : List.of("a", "b", "c", "d")) {
			String tenants = Sources.query(registry.get(source),
					"SELECT string_agg(tenant, ',') FROM multidb_shard_tenant");
			all.addAll((tenants != null) ? List.of(tenants.split(",")) : List.of());
		}
		return all;
	}

	/** Tables and first rows are made by all of them at the same time, too. */
	@Test
	void nodesWithDifferentListsNeverPlaceATenantTwiceOnPostgres() throws Exception {
		try (Sources first = node(); Sources second = node(); Sources third = node()) {
			List<SourceRegistry> registries = List.of(first.registry(), second.registry(), third.registry());
			for (int round = 0; round < 4; round++) {
				int from = 1000 * round;
				int generation = 2 * round + 1;
				List<Routes> racing = List.of(routes(registries.get(0), generation, "a", "b"),
						routes(registries.get(1), generation, "a", "b"),
						routes(registries.get(2), generation + 1, "a", "b", "c", "d"));
				AtomicInteger next = new AtomicInteger();
				List<String> placed = new CopyOnWriteArrayList<>();
				List<Object> outcomes = Race.run(6, () -> {
					Routes routes = racing.get(next.getAndIncrement() % 3);
					for (int i = 0; i < 50; i++) {
						try {
							placed.add("chat-" + (from + i) + "@" + routes.resolve("chat-" + (from + i)).name());
						}
						catch (SourceUnavailableException ex) {
							assertThat(ex).hasMessageNotContaining("ERROR:");
						}
					}
					return "done";
				});
				assertThat(outcomes).containsOnly("done");
				assertThat(new TreeSet<>(placed)).as("places of 50 tenants").hasSize(50);
				assertThat(tenants(registries.get(0))).doesNotHaveDuplicates();
				for (String source : List.of("c", "d")) {
					Sources.execute(registries.get(0).get(source), "DELETE FROM multidb_shard_tenant");
				}
			}
		}
	}

	@Test
	void processesThatRaceAgreeOnEveryTenant() throws Exception {
		List<Process> processes = new ArrayList<>();
		for (int i = 0; i < 2; i++) {
			processes.add(new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
					"-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"),
					ShardTablesIntegrationTests.class.getName(), this.directory.toString())
				.redirectError(ProcessBuilder.Redirect.INHERIT)
				.start());
		}
		try {
			List<List<String>> places = new ArrayList<>();
			List<BufferedReader> outputs = new ArrayList<>();
			for (Process process : processes) {
				BufferedReader output = new BufferedReader(
						new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
				assertThat(output.lines().filter("ready"::equals).findFirst()).isPresent();
				outputs.add(output);
			}
			for (Process process : processes) {
				process.getOutputStream().write('\n');
				process.getOutputStream().flush();
			}
			for (BufferedReader output : outputs) {
				places.add(output.lines().filter((line) -> line.contains("@")).toList());
			}
			assertThat(places.get(0)).hasSize(200).isEqualTo(places.get(1));
		}
		finally {
			processes.forEach(Process::destroyForcibly);
		}
	}

	/** A process that waits for a line and then places tenants in SQLite files. */
	public static void main(String[] arguments) throws Exception {
		try (Sources sources = new Sources()) {
			for (String shard : List.of("a", "b", "c")) {
				sources.with(Sources.sqlite(shard, Path.of(arguments[0])));
			}
			Routes routes = routes(sources.registry(), 1, "a", "b", "c");
			System.out.println("ready");
			int unused = System.in.read();
			for (int i = 0; i < 200; i++) {
				System.out.println("chat-" + i + "@" + routes.resolve("chat-" + i).name());
			}
		}
	}

}
