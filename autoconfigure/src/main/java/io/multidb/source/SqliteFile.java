package io.multidb.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;

import org.jspecify.annotations.Nullable;

/**
 * Tells whether a path still leads to the file that it led to: who has a file open goes
 * on writing into it, also when it was deleted or replaced. Thread-safe.
 */
final class SqliteFile {

	private static final String GONE = "gone";

	private static final String UNKNOWN = "unknown";

	private final Path path;

	private final Object identity;

	/** SQLite's write-ahead log beside it. */
	private final Path log;

	/** When it was looked at last. */
	private volatile Object logIdentity = UNKNOWN;

	private SqliteFile(Path path, Object identity) {
		this.path = path;
		this.identity = identity;
		this.log = path.resolveSibling(path.getFileName() + "-wal");
	}

	/**
	 * The file of a source as it is now.
	 * @param before the file before it was connected, which may have made it;
	 * {@code null} if that is still to be done
	 */
	static SqliteFile of(SourceDefinition definition, @Nullable SqliteFile before) {
		if (before != null && !before.identity.equals(GONE)) {
			return before;
		}
		Path path = definition.url().sqliteFile().toAbsolutePath();
		return new SqliteFile(path, identity(path));
	}

	/** Whether the path leads to it; also if that cannot be told. */
	boolean isThere() {
		if (this.identity.equals(UNKNOWN) || this.identity.equals(GONE)) {
			return true;
		}
		Object now = identity(this.path);
		if (!now.equals(this.identity) && !now.equals(UNKNOWN)) {
			return false;
		}
		this.logIdentity = identity(this.log);
		return true;
	}

	/** Whether the path leads to it again, for certain. */
	boolean isBack() {
		return !this.identity.equals(UNKNOWN) && !this.identity.equals(GONE)
				&& this.identity.equals(identity(this.path));
	}

	/**
	 * The log that it left beside another file, which SQLite would take for that one's.
	 * @return {@code null} if there is none
	 */
	@Nullable Path logLeft() {
		Object now = identity(this.log);
		boolean left = now.equals(this.logIdentity) && !now.equals(GONE) && !now.equals(UNKNOWN);
		return (left && this.log.toFile().length() > 0) ? this.log : null;
	}

	private static Object identity(Path path) {
		try {
			BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
			Object key = attributes.fileKey();
			return (key != null) ? key : attributes.creationTime();
		}
		catch (NoSuchFileException ex) {
			return GONE;
		}
		catch (IOException ex) {
			return UNKNOWN;
		}
	}

}
