package io.multidb.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.stream.Stream;

import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.migration.LiquibaseMigrator;

import static org.awaitility.Awaitility.await;

/**
 * Registries for tests, with their events.
 */
public final class Sources implements AutoCloseable {

	public static final LiquibaseSettings NOTES = LiquibaseSettings.of("classpath:db/notes.yaml");

	/** Two tables, and a {@link HaltingChange} in between. */
	static final LiquibaseSettings HALTING = LiquibaseSettings.of("classpath:db/halting.yaml");

	private final List<SourceDefinition> definitions = new ArrayList<>();

	private final List<SourceTemplate> templates = new ArrayList<>();

	private SourceMigrator migrator = new LiquibaseMigrator(new DefaultResourceLoader());

	private CallerSession callerSession = CallerSession.NONE;

	private PoolLimits limits = PoolLimits.DEFAULT;

	private Clock clock = Clock.systemUTC();

	private volatile Consumer<SourceEvent> listener = (event) -> {
	};

	public final List<SourceEvent> events = new CopyOnWriteArrayList<>();

	private SourceRegistry registry;

	public static SourceDefinition.Builder sqlite(String name, Path directory) {
		return SourceDefinition.named(name).url("jdbc:sqlite:" + directory.resolve(name + ".db"));
	}

	public static SourceTemplate template(SourceDefinition definition, String names, CreatePolicy create,
			String maintenance) {
		return new SourceTemplate(NamePattern.of(names), definition, create, maintenance);
	}

	public Sources with(SourceDefinition.Builder definition) {
		this.definitions.add(definition.build());
		return this;
	}

	public Sources with(SourceTemplate template) {
		this.templates.add(template);
		return this;
	}

	public Sources with(SourceMigrator migrator) {
		this.migrator = migrator;
		return this;
	}

	public Sources with(CallerSession callerSession) {
		this.callerSession = callerSession;
		return this;
	}

	public Sources with(PoolLimits limits) {
		this.limits = limits;
		return this;
	}

	/**
	 * Somebody who is told of events beside the list, on the thread on which they happen.
	 */
	public Sources onEvent(Consumer<SourceEvent> listener) {
		this.listener = listener;
		return this;
	}

	Sources with(Clock clock) {
		this.clock = clock;
		return this;
	}

	public SourceRegistry registry() {
		if (this.registry == null) {
			this.registry = new SourceRegistry(this.definitions, this.templates, this.migrator, this::tell,
					this.callerSession, this.limits, this.clock);
		}
		return this.registry;
	}

	private void tell(SourceEvent event) {
		this.events.add(event);
		this.listener.accept(event);
	}

	/** A directory in which this process can make no file, not even as root. */
	static Path notWritable(Path parent) throws IOException {
		Path directory = Files.createDirectory(parent.resolve("locked"));
		boolean locked = directory.toFile().setWritable(false) && !Files.isWritable(directory);
		return locked ? directory : Path.of("/proc");
	}

	public static void execute(Source source, String sql) throws SQLException {
		try (Connection connection = source.getConnection()) {
			execute(connection, sql);
			if (!connection.getAutoCommit()) {
				connection.commit();
			}
		}
	}

	public static void execute(Connection connection, String sql) throws SQLException {
		try (Statement statement = connection.createStatement()) {
			statement.execute(sql);
		}
	}

	public static String query(Connection connection, String sql) throws SQLException {
		try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
			return rows.next() ? rows.getString(1) : null;
		}
	}

	public static String query(Source source, String sql) throws SQLException {
		try (Connection connection = source.getConnection()) {
			return query(connection, sql);
		}
	}

	/** The names of the threads that are alive and are named so, by their beginning. */
	public static List<String> threads(String... names) {
		return Thread.getAllStackTraces()
			.keySet()
			.stream()
			.map(Thread::getName)
			.filter((thread) -> Stream.of(names).anyMatch(thread::startsWith))
			.toList();
	}

	/** The files below a directory that this process has open; on Linux. */
	public static List<String> openFiles(Path directory) throws IOException {
		try (Stream<Path> handles = Files.list(Path.of("/proc/self/fd"))) {
			return handles.map(Sources::target).filter((file) -> file.startsWith(directory + "/")).toList();
		}
	}

	private static String target(Path handle) {
		try {
			return Files.readSymbolicLink(handle).toString();
		}
		catch (IOException ex) {
			// It was closed while the list was read.
			return "";
		}
	}

	/** Of the databases that were made, in order: whether each is a copy. */
	List<Boolean> copied() {
		return this.events.stream()
			.filter(SourceEvent.Created.class::isInstance)
			.map((event) -> ((SourceEvent.Created) event).copied())
			.toList();
	}

	/** Writes a change log, in place of the one that is there. */
	static LiquibaseSettings changeLog(Path directory, String... changeSets) throws IOException {
		Path file = directory.resolve("changes.sql");
		Files.writeString(file,
				"--liquibase formatted sql\n--changeset " + String.join("\n--changeset ", changeSets) + "\n");
		return LiquibaseSettings.of(file.toUri().toString());
	}

	static boolean isClosed(Pool pool) {
		return pool.phase() == Pool.Phase.CLOSED && pool.active() + pool.idle() == 0;
	}

	/** Fails if a connection of the source stays out; one may just be being tested. */
	public static void assertIdle(Source source) {
		await("connections of '" + source.name() + "' still out").until(source::leases, (leases) -> leases == 0);
	}

	@Override
	public void close() {
		if (this.registry != null) {
			this.registry.close();
		}
	}

}
