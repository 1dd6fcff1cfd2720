package io.multidb.benchmarks;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/**
 * What this process uses, after a full collection.
 *
 * @param threads how many threads of pools and of registries there are
 * @param handles how many files and sockets are open
 * @param heap in bytes
 * @param objects how many there are of what must not be left behind, by the simple names
 * of their classes
 */
record Resources(long threads, long handles, long heap, Map<String, Integer> objects) {

	/** Pools, and connections of drivers. */
	private static final Pattern OBJECTS = Pattern
		.compile("(?m)^ *\\d+: +(\\d+) +\\d+ +(?:" + "io\\.multidb\\.source\\.(HikariConnections|SqliteConnections)|"
				+ "com\\.zaxxer\\.hikari\\.pool\\.(HikariPool)|"
				+ "org\\.postgresql\\.jdbc\\.(PgConnection)|org\\.sqlite\\.jdbc4\\.(JDBC4Connection))(?: .*)?$");

	private static final Pattern THREADS = Pattern.compile("multidb-.*|.*[Hh]ikari.*|.*:(connection-|housekeeper).*");

	static Resources now() throws IOException, JMException {
		// Twice: what was only weakly reachable is gone after the first.
		objectCounts();
		Map<String, Integer> objects = objectCounts();
		Runtime runtime = Runtime.getRuntime();
		long threads = Thread.getAllStackTraces()
			.keySet()
			.stream()
			.filter((thread) -> THREADS.matcher(thread.getName()).matches())
			.count();
		return new Resources(threads, countHandles(), runtime.totalMemory() - runtime.freeMemory(), objects);
	}

	private static long countHandles() throws IOException {
		Path handles = Path.of("/proc/self/fd");
		if (!Files.isDirectory(handles)) {
			return -1;
		}
		try (Stream<Path> open = Files.list(handles)) {
			return open.count();
		}
	}

	/** As {@code jcmd GC.class_histogram}, which collects garbage first. */
	private static Map<String, Integer> objectCounts() throws JMException {
		MBeanServer server = ManagementFactory.getPlatformMBeanServer();
		String histogram = (String) server.invoke(new ObjectName("com.sun.management:type=DiagnosticCommand"),
				"gcClassHistogram", new Object[] { new String[0] }, new String[] { String[].class.getName() });
		Map<String, Integer> found = new TreeMap<>();
		Matcher matcher = OBJECTS.matcher(histogram);
		while (matcher.find()) {
			for (int group = 2; group <= matcher.groupCount(); group++) {
				String name = matcher.group(group);
				if (name != null) {
					found.put(name, Integer.valueOf(matcher.group(1)));
				}
			}
		}
		return found;
	}

	/** How many pools and connections there are in all. */
	int left() {
		return this.objects.values().stream().mapToInt(Integer::intValue).sum();
	}

	String until(Resources after) {
		return String.format(Locale.ROOT, "%d → %d, %d → %d, %.1f → %.1f, %d → %d", this.threads, after.threads,
				this.handles, after.handles, this.heap / 1e6, after.heap / 1e6, left(), after.left());
	}

	@Override
	public String toString() {
		return String.format(Locale.ROOT, "%d threads, %d handles, %.1f MB, %s", this.threads, this.handles,
				this.heap / 1e6, this.objects.isEmpty() ? "no pool or connection" : this.objects.toString());
	}

}
