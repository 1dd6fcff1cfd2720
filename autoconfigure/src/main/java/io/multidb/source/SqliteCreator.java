package io.multidb.source;

import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import com.zaxxer.hikari.HikariConfig;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes SQLite files: under a temporary name in the same directory, flushed, then
 * published by a hard link, which fails if the name exists ({@code rename} would
 * overwrite the winner's file). The first of a template is filled, the others are copies.
 * <p>
 * Temporary files bear their owner's host, process and start time; those of dead
 * processes are removed when the directory is next used for creating.
 */
final class SqliteCreator implements DatabaseCreator {

	private static final Logger logger = LoggerFactory.getLogger(SqliteCreator.class);

	private static final Duration AGE = Duration.ofMinutes(10);

	/** A file of another host is taken for dead when it has not changed for this long. */
	private static final Duration FOREIGN_AGE = Duration.ofHours(1);

	private static final ProcessIdentity OWNER = ProcessIdentity.CURRENT;

	private static final Pattern TEMPORARY = Pattern
		.compile("\\.multidb-([0-9a-f]+)-(\\d+)-(\\d+)-\\d+\\.tmp(-journal|-wal|-shm)?");

	/** Stands for the file in what is the same for all databases of a template. */
	private static final Path ANY = Path.of("any");

	private final Images<SqliteImage> images = new Images<>(Images.PATIENCE);

	private final AtomicLong sequence = new AtomicLong();

	private final Set<Path> swept = ConcurrentHashMap.newKeySet();

	@Override
	public boolean exists(SourceDefinition definition) {
		return Files.exists(definition.url().sqliteFile());
	}

	@Override
	public Outcome create(SourceDefinition definition, Filling filling) throws Exception {
		Path file = definition.url().sqliteFile().toAbsolutePath().normalize();
		if (Files.exists(file)) {
			return Outcome.EXISTED;
		}
		Path directory = file.getParent();
		if (directory == null || !Files.isDirectory(directory)) {
			throw new NoSuchFileException(String.valueOf(directory), null,
					"The directory does not exist: create it, or correct " + definition.property("url"));
		}
		Path left = leftOf(file);
		if (left != null && !Files.exists(file)) {
			throw new FileSystemException(file.toString(), null, "'" + left
					+ "' is left of another database, and SQLite would apply it to a new one. Move it away.");
		}
		sweep(directory);
		return this.images.create(temporary(definition, String.valueOf(definition.template()), ANY),
				new Images.Making<>() {

					@Override
					public boolean copy(SqliteImage image) throws Exception {
						return SqliteCreator.this.copy(image, file, definition);
					}

					@Override
					public boolean fill(@Nullable Consumer<SqliteImage> keep) throws Exception {
						return SqliteCreator.this.fill(definition, file, filling, keep);
					}

				});
	}

	/** A log or journal of a database that was here, found by its name. */
	private static @Nullable Path leftOf(Path file) {
		for (String companion : List.of("-wal", "-journal")) {
			Path left = file.resolveSibling(file.getFileName() + companion);
			if (left.toFile().length() > 0) {
				return left;
			}
		}
		return null;
	}

	private boolean fill(SourceDefinition definition, Path file, Filling filling, @Nullable Consumer<SqliteImage> keep)
			throws Exception {
		Path temporary = temporaryBeside(file);
		try {
			// Made here and once: should the file vanish meanwhile, no empty one takes
			// its place.
			createFile(temporary, definition).close();
			SourceDefinition filled = temporary(definition, definition.name(), temporary);
			BooleanSupplier current = filling.fill(filled);
			setJournalMode(definition, filled);
			refuseUnfinished(temporary);
			try (FileChannel complete = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
				complete.force(true);
			}
			if (keep != null && current != null) {
				keepImage(definition, temporary, current, keep);
			}
			return publish(temporary, file);
		}
		finally {
			delete(temporary, "", "-journal", "-wal", "-shm");
		}
	}

	/** It stays in the file; switching to it later takes milliseconds, for each copy. */
	private static void setJournalMode(SourceDefinition definition, SourceDefinition filled) throws SQLException {
		HikariConfig config = PoolSettings.bind(definition.hikari());
		Properties properties = new Properties();
		properties.putAll(config.getDataSourceProperties());
		properties.setProperty("synchronous", "OFF");
		new PhysicalDataSource(filled, properties, config.getConnectionInitSql(), false, null, Duration.ZERO).connect()
			.close();
	}

	/** Without an image, the next database is filled like this one. */
	private void keepImage(SourceDefinition definition, Path temporary, BooleanSupplier current,
			Consumer<SqliteImage> keep) throws ClosedByInterruptException {
		try {
			keep.accept(SqliteImage.of(temporary, temporaryBeside(temporary), current));
		}
		catch (ClosedByInterruptException ex) {
			throw ex;
		}
		catch (IOException ex) {
			logger.warn("{}: no image could be made, so the next database is filled itself: {}", definition.name(),
					ex.toString());
		}
	}

	private boolean copy(SqliteImage image, Path file, SourceDefinition definition) throws Exception {
		Path temporary = temporaryBeside(file);
		try (FileChannel copy = createFile(temporary, definition)) {
			image.copyTo(copy);
			copy.force(true);
			return publish(temporary, file);
		}
		finally {
			delete(temporary, "");
		}
	}

	private Path temporaryBeside(Path file) {
		return file.resolveSibling(".multidb-" + OWNER + "-" + this.sequence.incrementAndGet() + ".tmp");
	}

	/** What is still in the journal would be missing under the final name. */
	private static void refuseUnfinished(Path temporary) throws IOException {
		Path log = temporary.resolveSibling(temporary.getFileName() + "-wal");
		if (Files.exists(log) && Files.size(log) > 0) {
			throw new FileSystemException(log.toString(), null,
					"The database that is being made is in use by somebody else, so it cannot be completed");
		}
	}

	private static FileChannel createFile(Path temporary, SourceDefinition definition) throws IOException {
		try {
			return FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
		}
		catch (ClosedByInterruptException ex) {
			throw ex;
		}
		catch (IOException ex) {
			FileSystemException failure = new FileSystemException(String.valueOf(temporary.getParent()), null,
					"No file can be made in this directory: make it writable for this process, or correct "
							+ definition.property("url"));
			failure.initCause(ex);
			throw failure;
		}
	}

	/** Nobody sees the temporary file, so it needs no durability before it is flushed. */
	private static SourceDefinition temporary(SourceDefinition definition, String name, Path file) {
		Map<String, String> hikari = new HashMap<>(definition.hikari());
		hikari.putAll(
				Map.of("data-source-properties.journal_mode", "MEMORY", "data-source-properties.synchronous", "OFF"));
		return SourceDefinition.named(name)
			.url(definition.url().withSqliteFile(file).text())
			.driverClassName(definition.driverClassName())
			.hikari(hikari)
			.liquibase(definition.liquibase())
			.copied(definition.copied())
			.temporary()
			.build();
	}

	/**
	 * Once the link is there, the database is: nothing that fails afterwards may say
	 * otherwise.
	 */
	private static boolean publish(Path temporary, Path file) throws IOException {
		try {
			Files.createLink(file, temporary);
		}
		catch (FileAlreadyExistsException ex) {
			return false;
		}
		catch (UnsupportedOperationException ex) {
			throw new FileSystemException(file.toString(), temporary.toString(),
					"This file system has no hard links, without which a database cannot be published safely");
		}
		try {
			flush(file.getParent());
		}
		catch (IOException ex) {
			logger.warn("Could not flush the directory of {}: {}", file, ex.toString());
		}
		return true;
	}

	private static void flush(@Nullable Path directory) throws IOException {
		// Elsewhere a directory cannot be opened, and need not be.
		if (directory != null && directory.getFileSystem().supportedFileAttributeViews().contains("posix")) {
			try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
				channel.force(true);
			}
		}
	}

	/** The database may be published by now, so this must not fail. */
	private static void delete(Path temporary, String... companions) {
		for (String companion : companions) {
			Path file = temporary.resolveSibling(temporary.getFileName() + companion);
			try {
				Files.deleteIfExists(file);
			}
			catch (IOException ex) {
				logger.warn("{} could not be removed; it is removed later: {}", file, ex.toString());
			}
		}
	}

	/**
	 * Once per directory and process: what a process leaves behind, the next one removes.
	 */
	private void sweep(Path directory) {
		if (!this.swept.add(directory)) {
			return;
		}
		try (DirectoryStream<Path> leftovers = Files.newDirectoryStream(directory, ".multidb-*.tmp*")) {
			for (Path leftover : leftovers) {
				Matcher name = TEMPORARY.matcher(leftover.getFileName().toString());
				if (name.matches() && isDead(leftover, name)) {
					Files.deleteIfExists(leftover);
					logger.info("Removed {}, left behind by a process that died while creating a database", leftover);
				}
			}
		}
		catch (IOException | DirectoryIteratorException ex) {
			this.swept.remove(directory);
			logger.warn("Could not look for leftovers in {}: {}", directory, ex.toString());
		}
	}

	/** Age as well as owner: what is being made is young, whoever makes it. */
	private static boolean isDead(Path leftover, Matcher name) throws IOException {
		ProcessIdentity owner = new ProcessIdentity(name.group(1), Long.parseLong(name.group(2)),
				Long.parseLong(name.group(3)));
		Instant changed = Files.getLastModifiedTime(leftover).toInstant();
		if (changed.plus(owner.isOfThisHost() ? AGE : FOREIGN_AGE).isAfter(Instant.now())) {
			return false;
		}
		return !owner.isOfThisHost() || owner.isDead();
	}

	@Override
	public void close() {
		this.images.close();
	}

}
