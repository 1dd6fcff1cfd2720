package io.multidb.source;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;

import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.migration.LiquibaseMigrator;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * A process of its own that creates databases from a template. It says {@code ready},
 * waits for a line, then creates each tenant and says {@code created}, {@code copied} or
 * {@code existed}. With {@code half}, it stops for ever in the middle of the first
 * migration and says so. With {@code step}, it waits for a line before each tenant. Only
 * with {@code race} does it use what it made. With {@code declared}, it migrates a
 * database that is there; with {@code halt}, it stops for ever in the middle of that and
 * says {@code half}.
 */
public final class CreatorProcess implements AutoCloseable {

	private final Process process;

	private final BufferedReader output;

	private CreatorProcess(Process process) {
		this.process = process;
		this.output = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
	}

	static CreatorProcess start(String url, String maintenanceUrl, String username, String mode, String... tenants)
			throws IOException {
		List<String> command = new java.util.ArrayList<>(
				List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1",
						"-cp", System.getProperty("java.class.path"), CreatorProcess.class.getName(), url,
						maintenanceUrl, username, mode));
		command.addAll(List.of(tenants));
		return new CreatorProcess(new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start());
	}

	/** The next line that is no log line. */
	String read() throws IOException {
		String line = this.output.readLine();
		while (line != null && !line.matches("ready|half|created|copied|existed|failed.*")) {
			line = this.output.readLine();
		}
		return line;
	}

	/** Lets it begin as soon as it is ready. */
	void begin() throws IOException {
		assertThat(read()).isEqualTo("ready");
		go();
	}

	void go() throws IOException {
		this.process.getOutputStream().write('\n');
		this.process.getOutputStream().flush();
	}

	long pid() {
		return this.process.pid();
	}

	/** As kill -9 does. */
	void kill() throws InterruptedException {
		this.process.destroyForcibly().waitFor();
	}

	@Override
	public void close() {
		this.process.destroyForcibly();
	}

	private static String mode(String[] arguments) {
		return arguments[3];
	}

	private static void prepareDeclared(Sources sources) throws IOException {
		try (sources) {
			SourceRegistry registry = sources.registry();
			System.out.println("ready");
			if (System.in.read() < 0) {
				return;
			}
			try {
				registry.prepare("main");
				System.out.println("created");
			}
			catch (RuntimeException ex) {
				System.out.println("failed " + ex);
			}
		}
	}

	public static void main(String[] arguments) throws Exception {
		LiquibaseMigrator liquibase = new LiquibaseMigrator(new DefaultResourceLoader());
		boolean half = mode(arguments).equals("half");
		SourceDefinition definition = SourceDefinition.named("election")
			.url(arguments[0])
			.username(arguments[2].isEmpty() ? null : arguments[2])
			.liquibase(mode(arguments).equals("big") ? LiquibaseSettings.of("classpath:db/big.sql") : Sources.NOTES)
			.build();
		Sources sources = new Sources();
		sources.with(half ? (made, connection) -> {
			SourceMigrator.Outcome outcome = liquibase.migrate(made, connection);
			if (made.temporary()) {
				System.out.println("half");
				new CountDownLatch(1).await();
			}
			return outcome;
		} : liquibase);
		String maintenance = null;
		if (!arguments[1].isEmpty()) {
			maintenance = "server";
			sources.with(SourceDefinition.named("server").url(arguments[1]).username(arguments[2]));
		}
		HaltingChange.halts = mode(arguments).equals("halt");
		if (mode(arguments).equals("declared") || HaltingChange.halts) {
			sources.with(SourceDefinition.named("main")
				.url(arguments[0])
				.username(arguments[2].isEmpty() ? null : arguments[2])
				.liquibase(HaltingChange.halts ? Sources.HALTING : Sources.NOTES));
			prepareDeclared(sources);
			return;
		}
		// Of tenants such as election-42.
		String pattern = arguments[4].replaceFirst("-.*", "-{id}");
		try (sources) {
			SourceRegistry registry = sources
				.with(Sources.template(definition, pattern, CreatePolicy.EXPLICIT, maintenance))
				.registry();
			System.out.println("ready");
			boolean steps = mode(arguments).equals("step");
			if (!steps && System.in.read() < 0) {
				return;
			}
			for (int i = 4; i < arguments.length; i++) {
				if (steps && System.in.read() < 0) {
					return;
				}
				try {
					boolean created = registry.create(arguments[i]);
					if (mode(arguments).equals("race")) {
						Sources.execute(registry.get(arguments[i]), "insert into note (text) values ('x')");
					}
					boolean copied = sources.events.stream()
						.anyMatch((event) -> event instanceof SourceEvent.Created creation && creation.copied());
					sources.events.clear();
					System.out.println(copied ? "copied" : created ? "created" : "existed");
				}
				catch (RuntimeException ex) {
					System.out.println("failed " + ex);
				}
			}
		}
	}

}
