package io.multidb.source;

import java.io.EOFException;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.BooleanSupplier;

/**
 * A filled SQLite file without a name: nobody can change it, and it is gone when it is
 * closed or this process dies. Thread-safe.
 */
final class SqliteImage implements Images.Image {

	private final FileChannel file;

	private final long size;

	private final BooleanSupplier current;

	private SqliteImage(FileChannel file, BooleanSupplier current) throws IOException {
		this.file = file;
		this.size = file.size();
		this.current = current;
	}

	/**
	 * Makes an image of a file that nobody has open.
	 * @param temporary a name that nothing else uses, for as long as this takes
	 */
	static SqliteImage of(Path filled, Path temporary, BooleanSupplier current) throws IOException {
		FileChannel file = null;
		boolean made = false;
		try {
			Files.copy(filled, temporary);
			// Deleted at once, or when it is closed where an open file has to have a
			// name.
			file = FileChannel.open(temporary, StandardOpenOption.READ, StandardOpenOption.DELETE_ON_CLOSE);
			SqliteImage image = new SqliteImage(file, current);
			made = true;
			return image;
		}
		finally {
			if (!made) {
				if (file != null) {
					file.close();
				}
				Files.deleteIfExists(temporary);
			}
		}
	}

	/** A thread that is interrupted while it copies closes the file for all. */
	@Override
	public boolean isCurrent() {
		return this.file.isOpen() && this.current.getAsBoolean();
	}

	void copyTo(FileChannel copy) throws IOException, Images.LostException {
		try {
			long copied = 0;
			while (copied < this.size) {
				long some = this.file.transferTo(copied, this.size - copied, copy);
				if (some <= 0) {
					throw new EOFException("The image ends after " + copied + " of " + this.size + " bytes");
				}
				copied += some;
			}
		}
		catch (ClosedByInterruptException ex) {
			throw ex;
		}
		catch (ClosedChannelException ex) {
			throw new Images.LostException(ex);
		}
	}

	@Override
	public void delete() {
		try {
			this.file.close();
		}
		catch (IOException ex) {
			// It has no name and is read only: nothing can be lost or left.
		}
	}

}
