package io.multidb.source;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.UUID;

/**
 * A process, as it signs what it would leave behind if it were killed: so that others can
 * tell whether it is still there.
 *
 * @param host a number of its host, or container, since it was booted
 * @param pid its number there
 * @param start when it began, to tell it from another one that has its number now: on
 * Linux by the kernel's own count since it was booted, elsewhere in milliseconds
 */
public record ProcessIdentity(String host, long pid, long start) {

	/** The 22nd value of the kernel's status of a process, of which two come before. */
	private static final int START_AFTER_NAME = 19;

	private static final String HOST = thisHost();

	/** This one. */
	public static final ProcessIdentity CURRENT = new ProcessIdentity(HOST, ProcessHandle.current().pid(),
			startOf(ProcessHandle.current()));

	/**
	 * Whether it runs, or ran, where this one does.
	 * @return whether it does
	 */
	public boolean isOfThisHost() {
		return this.host.equals(HOST);
	}

	/**
	 * Whether it has certainly ended, which cannot be told from another host.
	 * @return whether it has
	 */
	public boolean isDead() {
		return isOfThisHost()
				&& ProcessHandle.of(this.pid).map((process) -> startOf(process) != this.start).orElse(true);
	}

	/**
	 * Not {@link ProcessHandle.Info#startInstant()} on Linux, which is another one for
	 * each process that asks once the clock was set.
	 */
	private static long startOf(ProcessHandle process) {
		try {
			String status = Files.readString(Path.of("/proc", Long.toString(process.pid()), "stat"));
			// The name of the program may contain spaces and parentheses.
			String[] afterName = status.substring(status.lastIndexOf(')') + 2).split(" ", -1);
			return Long.parseLong(afterName[START_AFTER_NAME]);
		}
		catch (IOException | IndexOutOfBoundsException | NumberFormatException ex) {
			return process.info().startInstant().map(Instant::toEpochMilli).orElse(0L);
		}
	}

	/**
	 * Where numbers of processes mean the same. Containers may share a name, and a volume
	 * with the files that processes sign; on Linux, what tells them apart is the kernel
	 * that was booted and its namespace of processes.
	 */
	private static String thisHost() {
		String place = hostName();
		try {
			place += Files.readString(Path.of("/proc/sys/kernel/random/boot_id"))
					+ Files.readSymbolicLink(Path.of("/proc/self/ns/pid"));
		}
		catch (IOException | UnsupportedOperationException ex) {
			// It has none: the name has to do.
		}
		UUID hash = UUID.nameUUIDFromBytes(place.getBytes(StandardCharsets.UTF_8));
		return Long.toHexString(hash.getMostSignificantBits());
	}

	private static String hostName() {
		try {
			return InetAddress.getLocalHost().getHostName();
		}
		catch (UnknownHostException ex) {
			return "localhost";
		}
	}

	@Override
	public String toString() {
		return this.host + "-" + this.pid + "-" + this.start;
	}

}
