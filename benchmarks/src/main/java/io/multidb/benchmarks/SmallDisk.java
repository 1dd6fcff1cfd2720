package io.multidb.benchmarks;

import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A file system of one megabyte in memory; where it cannot be mounted, a directory of
 * which only the permissions change.
 */
final class SmallDisk implements Closeable {

	private final Path directory;

	private final boolean mounted;

	private SmallDisk(Path directory, boolean mounted) {
		this.directory = directory;
		this.mounted = mounted;
	}

	static SmallDisk mount(Path directory) throws IOException {
		Files.createDirectories(directory);
		return new SmallDisk(directory, run("mount", "-t", "tmpfs", "-o", "size=1m", "none", directory.toString()));
	}

	Path directory() {
		return this.directory;
	}

	String kind() {
		return this.mounted ? "tmpfs of 1 MB" : "not tried: no tmpfs may be mounted";
	}

	/** Leaves no room in it, or makes room again. */
	void fill(boolean full) throws IOException {
		Path ballast = this.directory.resolve("ballast");
		if (!full) {
			Files.deleteIfExists(ballast);
			return;
		}
		if (!this.mounted) {
			return;
		}
		try (OutputStream bytes = Files.newOutputStream(ballast)) {
			while (true) {
				bytes.write(new byte[512]);
			}
		}
		catch (IOException ex) {
			// It is full.
		}
	}

	/** Lets nobody write into it, or everybody again. */
	void readOnly(boolean readOnly) throws IOException {
		if (this.mounted) {
			if (!run("mount", "-o", "remount," + (readOnly ? "ro" : "rw"), this.directory.toString())) {
				throw new IOException("It could not be mounted again");
			}
		}
		else if (!this.directory.toFile().setWritable(!readOnly)) {
			throw new IOException("Its permissions could not be changed");
		}
	}

	private static boolean run(String... command) throws IOException {
		try {
			return new ProcessBuilder(command).start().waitFor() == 0;
		}
		catch (InterruptedException ex) {
			throw new IOException(ex);
		}
	}

	@Override
	public void close() throws IOException {
		if (this.mounted) {
			run("umount", "-l", this.directory.toString());
		}
	}

}
