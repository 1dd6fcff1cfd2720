package io.multidb.benchmarks;

import java.io.Closeable;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;

import javax.sql.DataSource;

import com.baomidou.dynamic.datasource.DynamicRoutingDataSource;
import com.baomidou.dynamic.datasource.toolkit.DynamicDataSourceContextHolder;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;

import io.multidb.Scope;
import io.multidb.TenantContext;
import io.multidb.benchmarks.ManyDatabases.Options;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.CallerSession;
import io.multidb.source.PoolLimits;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;

/**
 * A source that fails among others: how long its callers wait for their exception, and
 * what the others' callers notice. {@code benchmarks/run failing} runs it.
 */
public final class Failing {

	private static final int HEALTHY = 4;

	private static final int TO_HEALTHY = 0;

	private static final int TO_FAILING = 1;

	private static final int CONNECTION_TIMEOUT = 1000;

	private Failing() {
	}

	/** A tenant's connections. */
	private interface Tenants extends AutoCloseable {

		void use(int tenant) throws SQLException;

		@Override
		void close();

	}

	private static void ask(DataSource dataSource) throws SQLException {
		try (Connection connection = dataSource.getConnection();
				Statement statement = connection.createStatement();
				ResultSet row = statement.executeQuery("SELECT 1")) {
			row.next();
		}
	}

	/** What was found in the rounds of one competitor and fault; in milliseconds. */
	private record Found(List<Double> first, List<Double> p50, List<Double> p99, List<Double> most,
			List<Double> othersWithout, List<Double> othersBeside, List<Double> ratios) {

		Found() {
			this(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>(),
					new ArrayList<>(), new ArrayList<>());
		}

	}

	/**
	 * Runs it.
	 * @param arguments {@code rounds=2}, {@code seconds=4} of each span,
	 * {@code threads=64}, {@code rate=300} requests per second, {@code failing=10}
	 * percent of them to the source that fails, {@code only=multidb,baomidou,hikari}
	 */
	public static void main(String[] arguments) throws Exception {
		Options options = new Options(arguments);
		List<String> competitors = List.of(options.text("only", "multidb,baomidou,hikari").split(",", -1));
		int rounds = options.number("rounds", 2);
		Map<String, Found> results = new LinkedHashMap<>();
		try (MortalPostgres healthy = MortalPostgres.start();
				MortalPostgres mortal = MortalPostgres.start();
				SilentServer silent = new SilentServer()) {
			for (int i = 0; i < HEALTHY; i++) {
				healthy.run("CREATE DATABASE d" + i);
			}
			for (int round = 0; round < rounds; round++) {
				for (String competitor : competitors) {
					for (String fault : List.of("down", "silent")) {
						Found found = results.computeIfAbsent(fault + ", " + competitor, (name) -> new Found());
						turn(competitor, fault, healthy, mortal, silent, options, found);
						System.out.println(fault + ", " + competitor + ": " + found);
					}
				}
			}
		}
		System.out.println(report(results));
		Runtime.getRuntime().halt(0);
	}

	private static void turn(String competitor, String fault, MortalPostgres healthy, MortalPostgres mortal,
			SilentServer silent, Options options, Found found) throws Exception {
		boolean down = fault.equals("down");
		List<String> urls = new ArrayList<>();
		for (int i = 0; i < HEALTHY; i++) {
			urls.add(healthy.url("d" + i));
		}
		urls.add(down ? mortal.url("postgres") : "jdbc:postgresql://localhost:" + silent.port() + "/postgres");
		int share = options.number("failing", 10);
		boolean[] failing = new boolean[1];
		try (Closeable mended = () -> {
			if (down) {
				mortal.restart();
			}
		}; Tenants tenants = switch (competitor) {
			case "multidb" -> new MultiDb(urls);
			case "baomidou" -> new Baomidou(urls);
			default -> new PoolPerTenant(urls);
		};
				SteadyLoad load = new SteadyLoad(options.number("threads", 64), 2, options.number("rate", 300),
						new SteadyLoad.Requests() {

							@Override
							public int draw(Random random) {
								return (failing[0] && random.nextInt(100) < share) ? TO_FAILING : TO_HEALTHY;
							}

							@Override
							public void run(int kind, Random random) throws SQLException {
								tenants.use((kind == TO_HEALTHY) ? random.nextInt(HEALTHY) : HEALTHY);
							}

						})) {
			if (down) {
				tenants.use(HEALTHY);
				mortal.kill();
			}
			long seconds = options.number("seconds", 4);
			TimeUnit.SECONDS.sleep(2);
			found.first().add(untilRefused(tenants));
			List<SteadyLoad.Recording> without = load.record();
			TimeUnit.SECONDS.sleep(seconds);
			failing[0] = true;
			List<SteadyLoad.Recording> beside = load.record();
			TimeUnit.SECONDS.sleep(seconds);
			failing[0] = false;
			// What was begun before is not to count.
			load.record();
			TimeUnit.MILLISECONDS.sleep(CONNECTION_TIMEOUT + 200);
			// And once more without, as the machine is not the same all the time.
			List<SteadyLoad.Recording> again = load.record();
			TimeUnit.SECONDS.sleep(seconds);
			SteadyLoad.Recording refused = beside.get(TO_FAILING);
			found.p50().add(refused.percentile(0.5));
			found.p99().add(refused.percentile(0.99));
			found.most().add(refused.percentile(1));
			double others = (without.get(TO_HEALTHY).percentile(0.99) + again.get(TO_HEALTHY).percentile(0.99)) / 2;
			found.othersWithout().add(others);
			found.othersBeside().add(beside.get(TO_HEALTHY).percentile(0.99));
			found.ratios().add(beside.get(TO_HEALTHY).percentile(0.99) / others);
			if (beside.get(TO_HEALTHY).failed() > 0) {
				System.out.println("  others failed: " + beside.get(TO_HEALTHY).failures());
			}
		}
	}

	/**
	 * How long it takes until nobody waits for it, or as long as somebody always does.
	 */
	private static double untilRefused(Tenants tenants) {
		long start = System.nanoTime();
		long took = 0;
		for (int i = 0; i < 5; i++) {
			long before = System.nanoTime();
			try {
				tenants.use(HEALTHY);
			}
			catch (SQLException | RuntimeException ex) {
				took = System.nanoTime() - before;
			}
			if (took > 0 && took < 10_000_000) {
				return (before - start) / 1e6;
			}
		}
		return Double.POSITIVE_INFINITY;
	}

	private static String report(Map<String, Found> results) {
		StringBuilder text = new StringBuilder("""
				| fault, who | until callers are refused at once, ms | then p50 ms | p99 | at most \
				| others' p99 without | beside it | ratio |
				| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
				""");
		results.forEach((name,
				found) -> text.append(String.format(Locale.ROOT,
						"| %s | %.0f | %.3f | %.2f | %.1f | %.2f | %.2f | %.2f (%.2f–%.2f) |%n", name,
						median(found.first()), median(found.p50()), median(found.p99()), median(found.most()),
						median(found.othersWithout()), median(found.othersBeside()), median(found.ratios()),
						found.ratios().stream().mapToDouble(Double::doubleValue).min().orElse(0),
						found.ratios().stream().mapToDouble(Double::doubleValue).max().orElse(0))));
		return text.toString();
	}

	private static double median(List<Double> values) {
		List<Double> sorted = values.stream().sorted().toList();
		return (sorted.get((sorted.size() - 1) / 2) + sorted.get(sorted.size() / 2)) / 2;
	}

	private static HikariDataSource pool(String url) {
		HikariConfig config = new HikariConfig();
		config.setJdbcUrl(url);
		config.setUsername(MortalPostgres.USER);
		config.setMaximumPoolSize(5);
		config.setMinimumIdle(0);
		config.setConnectionTimeout(CONNECTION_TIMEOUT);
		config.setInitializationFailTimeout(-1);
		return new HikariDataSource(config);
	}

	private static final class PoolPerTenant implements Tenants {

		private final List<HikariDataSource> pools;

		PoolPerTenant(List<String> urls) {
			this.pools = urls.stream().map(Failing::pool).toList();
		}

		@Override
		public void use(int tenant) throws SQLException {
			ask(this.pools.get(tenant));
		}

		@Override
		public void close() {
			this.pools.forEach(HikariDataSource::close);
		}

	}

	private static final class Baomidou implements Tenants {

		private final Map<String, DataSource> pools = new HashMap<>();

		private final DynamicRoutingDataSource router;

		Baomidou(List<String> urls) {
			for (int i = 0; i < urls.size(); i++) {
				this.pools.put("d" + i, pool(urls.get(i)));
			}
			this.router = new DynamicRoutingDataSource(List.of(() -> this.pools));
			this.router.setPrimary("d0");
			this.router.setStrict(true);
			this.router.setP6spy(false);
			this.router.setSeata(false);
			this.router.afterPropertiesSet();
		}

		@Override
		public void use(int tenant) throws SQLException {
			DynamicDataSourceContextHolder.push("d" + tenant);
			try {
				ask(this.router);
			}
			finally {
				DynamicDataSourceContextHolder.poll();
			}
		}

		@Override
		public void close() {
			this.pools.values().forEach((pool) -> ((HikariDataSource) pool).close());
		}

	}

	private static final class MultiDb implements Tenants {

		private final SourceRegistry registry;

		private final RoutingDataSource router;

		MultiDb(List<String> urls) {
			List<SourceDefinition> definitions = new ArrayList<>();
			for (int i = 0; i < urls.size(); i++) {
				definitions.add(SourceDefinition.named("d" + i)
					.url(urls.get(i))
					.username(MortalPostgres.USER)
					.hikari(Map.of("maximum-pool-size", "5", "connection-timeout",
							Integer.toString(CONNECTION_TIMEOUT)))
					.build());
			}
			this.registry = new SourceRegistry(definitions, List.of(), SourceMigrator.NONE, (event) -> {
			}, CallerSession.NONE,
					new PoolLimits(0, PoolLimits.WhenFull.WAIT, Duration.ofMinutes(10), Duration.ofSeconds(30)));
			this.router = new RoutingDataSource(new Routes(List.of(), null, this.registry));
		}

		@Override
		public void use(int tenant) throws SQLException {
			try (Scope scope = TenantContext.enter("d" + tenant)) {
				ask(this.router);
			}
		}

		@Override
		public void close() {
			this.registry.close();
		}

	}

}
