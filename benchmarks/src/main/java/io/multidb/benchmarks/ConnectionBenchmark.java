package io.multidb.benchmarks;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.infra.Blackhole;

/**
 * A connection taken and given back, each time of the next source.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class ConnectionBenchmark {

	private static final int CALLS = 10;

	@Param({ "plain", "plain-tracked", "holder", "spring", "baomidou", "multidb", "multidb-meters", "multidb-gauges",
			"multidb-each", "multidb-tracked" })
	public String competitor = "";

	@Param({ "1", "10", "1000" })
	public int sources;

	private Competitor way = Competitor.NONE;

	private final AtomicInteger threads = new AtomicInteger();

	/** Which source is next; threads begin at different ones. */
	@State(Scope.Thread)
	public static class Turn {

		private int sources;

		private int next;

		@Setup
		public void start(ConnectionBenchmark benchmark) {
			this.sources = benchmark.sources;
			this.next = (benchmark.threads.getAndIncrement() * 127) % this.sources;
		}

		private int next() {
			int source = this.next;
			this.next = (source + 1 < this.sources) ? source + 1 : 0;
			return source;
		}

	}

	@Setup(Level.Trial)
	public void open() {
		this.way = Competitor.of(this.competitor, this.sources);
	}

	@TearDown(Level.Trial)
	public void close() {
		this.way.close();
	}

	/** Push the key, getConnection, close, pop. */
	@Benchmark
	public void call(Turn turn, Blackhole blackhole) throws SQLException {
		this.way.call(turn.next(), blackhole);
	}

	/** The same, where meters may be on. */
	@Benchmark
	public void metered(Turn turn, Blackhole blackhole) throws SQLException {
		this.way.call(turn.next(), blackhole);
	}

	/** Ten connections, one after another, where the key was pushed once. */
	@Benchmark
	@OperationsPerInvocation(CALLS)
	public void within(Turn turn, Blackhole blackhole) throws SQLException {
		this.way.within(turn.next(), (dataSource) -> {
			for (int i = 0; i < CALLS; i++) {
				try (Connection connection = dataSource.getConnection()) {
					blackhole.consume(connection);
				}
			}
		});
	}

}
