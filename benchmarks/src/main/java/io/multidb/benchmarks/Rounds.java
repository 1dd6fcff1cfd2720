package io.multidb.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Runs the benchmarks in rounds: in each, every competitor of a case has its turn in a
 * fresh JVM, so that what else the machine does meets all of them alike. What counts is a
 * round's ratio to the plain one, and of the rounds' ratios the median.
 */
public final class Rounds {

	private static final String ALLOCATED = "gc.alloc.rate.norm";

	private Rounds() {
	}

	/** What is compared: one method with one set of parameters and threads. */
	private record Case(Class<?> benchmark, String method, String parameter, List<String> competitors, int sources,
			int threads) {

		String title() {
			return this.benchmark.getSimpleName() + "." + this.method
					+ ((this.sources > 0) ? ", " + this.sources + " source" + ((this.sources > 1) ? "s" : "") : "")
					+ ", " + this.threads + " thread" + ((this.threads > 1) ? "s" : "");
		}

	}

	/** One turn: time and bytes per call. */
	private record Turn(double nanos, double bytes) {
	}

	/**
	 * Runs the rounds.
	 * @param arguments what a case's title must contain, all of them; and
	 * {@code rounds=5}, {@code jvm=…} for further JVM options, {@code out=…} for the file
	 * the table goes to
	 */
	public static void main(String[] arguments) throws RunnerException, IOException {
		int rounds = Integer.parseInt(option(arguments, "rounds", "5"));
		List<String> filters = Arrays.stream(arguments).filter((argument) -> !argument.contains("=")).toList();
		List<String> only = Arrays.stream(option(arguments, "only", "").split(","))
			.filter((name) -> !name.isEmpty())
			.toList();
		String jvm = option(arguments, "jvm", "");
		Map<Case, Map<String, List<Turn>>> turns = new LinkedHashMap<>();
		for (Case each : cases()) {
			if (filters.stream().allMatch(each.title()::contains)) {
				turns.put(each, new LinkedHashMap<>());
			}
		}
		for (int round = 1; round <= rounds; round++) {
			for (Map.Entry<Case, Map<String, List<Turn>>> entry : turns.entrySet()) {
				for (String competitor : entry.getKey().competitors()) {
					if (only.isEmpty() || only.contains(competitor) || competitor.equals(Competitor.PLAIN)) {
						entry.getValue()
							.computeIfAbsent(competitor, (name) -> new ArrayList<>())
							.add(run(entry.getKey(), competitor, jvm));
					}
				}
			}
			System.out.println("Round " + round + " of " + rounds);
			String report = report(turns);
			System.out.println(report);
			String file = option(arguments, "out", "");
			if (!file.isEmpty()) {
				Files.writeString(Path.of(file), report);
			}
		}
	}

	private static String option(String[] arguments, String name, String defaultValue) {
		for (String argument : arguments) {
			if (argument.startsWith(name + "=")) {
				return argument.substring(name.length() + 1);
			}
		}
		return defaultValue;
	}

	private static List<Case> cases() {
		List<Case> cases = new ArrayList<>();
		List<String> ways = List.of(Competitor.PLAIN, "holder", "spring", "baomidou", Competitor.MULTIDB);
		List<String> measured = List.of(Competitor.PLAIN, "plain-tracked", Competitor.MULTIDB, "multidb-meters",
				"multidb-gauges", "multidb-each", "multidb-tracked");
		for (int threads : new int[] { 1, 2, 8 }) {
			cases.add(new Case(ConnectionBenchmark.class, "metered", "competitor", measured, 1, threads));
		}
		for (String method : List.of("call", "within")) {
			for (int sources : new int[] { 1, 10, 1000 }) {
				for (int threads : new int[] { 1, 2, 8 }) {
					cases.add(new Case(ConnectionBenchmark.class, method, "competitor", ways, sources, threads));
				}
			}
		}
		cases.add(new Case(QueryBenchmark.class, "query", "competitor",
				List.of(Competitor.PLAIN, "spring", Competitor.MULTIDB), 0, 1));
		cases.add(new Case(AdviceBenchmark.class, "call", "advice",
				List.of("plain", "multidb", "baomidou", "multidb-spel", "baomidou-spel"), 0, 1));
		return cases;
	}

	private static Turn run(Case benchmark, String competitor, String jvm) throws RunnerException {
		ChainedOptionsBuilder options = new OptionsBuilder()
			.include("\\." + benchmark.benchmark().getSimpleName() + "\\." + benchmark.method() + "$")
			.param(benchmark.parameter(), competitor)
			.threads(benchmark.threads())
			.forks(1)
			.warmupIterations(4)
			.warmupTime(TimeValue.milliseconds(400))
			.measurementIterations(4)
			.measurementTime(TimeValue.milliseconds(300))
			.addProfiler(GCProfiler.class)
			.verbosity(VerboseMode.SILENT);
		if (benchmark.sources() > 0) {
			options.param("sources", Integer.toString(benchmark.sources()));
		}
		List<String> jvmArguments = new ArrayList<>();
		// As HikariCP decides by itself in an executable jar, and MultiDB everywhere.
		jvmArguments.add("-Dcom.zaxxer.hikari.useWeakReferences=true");
		jvmArguments.addAll(List.of("-Xms1g", "-Xmx1g"));
		if (!jvm.isEmpty()) {
			jvmArguments.addAll(List.of(jvm.split(" ")));
		}
		options.jvmArgsAppend(jvmArguments.toArray(String[]::new));
		Collection<RunResult> results = new Runner(options.build()).run();
		RunResult result = results.iterator().next();
		double allocated = 0;
		for (String name : result.getSecondaryResults().keySet()) {
			if (name.endsWith(ALLOCATED)) {
				allocated = result.getSecondaryResults().get(name).getScore();
			}
		}
		return new Turn(result.getPrimaryResult().getStatistics().getMin(), allocated);
	}

	private static String report(Map<Case, Map<String, List<Turn>>> turns) {
		StringBuilder text = new StringBuilder();
		text.append(
				"| | | ns | ratio | lowest–highest | B | B more |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n");
		turns.forEach((each, byCompetitor) -> byCompetitor.forEach((competitor, its) -> {
			List<Turn> plain = byCompetitor.getOrDefault(Competitor.PLAIN, List.of());
			List<Double> ratios = new ArrayList<>();
			List<Double> bytes = new ArrayList<>();
			for (int i = 0; i < its.size(); i++) {
				ratios.add(its.get(i).nanos() / plain.get(i).nanos());
				bytes.add(its.get(i).bytes() - plain.get(i).bytes());
			}
			ratios.sort(Comparator.naturalOrder());
			text.append(String.format(Locale.ROOT, "| %s | %s | %.1f | %.2f | %.2f–%.2f | %.0f | %.0f |%n",
					each.title(), competitor, median(its.stream().map(Turn::nanos).toList()), median(ratios),
					ratios.get(0), ratios.get(ratios.size() - 1), median(its.stream().map(Turn::bytes).toList()),
					median(bytes)));
		}));
		return text.toString();
	}

	private static double median(List<Double> values) {
		List<Double> sorted = values.stream().sorted().toList();
		int middle = sorted.size() / 2;
		return (sorted.size() % 2 == 1) ? sorted.get(middle) : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
	}

}
