package io.multidb.benchmarks;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.concurrent.TimeUnit;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.infra.Blackhole;

/**
 * A statement prepared, run, and its hundred rows read, on a driver for which all of that
 * is free: what the guard costs, at its most visible.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class QueryBenchmark {

	@Param({ "plain", "spring", "multidb" })
	public String competitor = "";

	private Competitor way = Competitor.NONE;

	@Setup(Level.Trial)
	public void open() {
		this.way = Competitor.of(this.competitor, 1);
	}

	@TearDown(Level.Trial)
	public void close() {
		this.way.close();
	}

	@Benchmark
	public void query(Blackhole blackhole) throws SQLException {
		this.way.within(0, (dataSource) -> {
			try (Connection connection = dataSource.getConnection();
					PreparedStatement statement = connection.prepareStatement("select a, b from t where c = ?")) {
				statement.setInt(1, 42);
				try (ResultSet rows = statement.executeQuery()) {
					while (rows.next()) {
						blackhole.consume(rows.getInt(1));
						blackhole.consume(rows.getInt(2));
					}
				}
			}
		});
	}

}
