package io.multidb.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;

import org.jspecify.annotations.Nullable;

/**
 * Tells whether a path still leads to the file that it led to: who has a file open goes
 * on writing into it, also when it was deleted or replaced. Immutable.
 */
final class SqliteFile {

	private static final String GONE = "gone";

	private static final String UNKNOWN = "unknown";

	private final Path path;

	private final Object identity;

	private SqliteFile(Path path, Object identity) {
		this.path = path;
		this.identity = identity;
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
		return now.equals(this.identity) || now.equals(UNKNOWN);
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
