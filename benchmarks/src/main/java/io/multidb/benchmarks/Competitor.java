package io.multidb.benchmarks;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.IntFunction;

import javax.sql.DataSource;

import com.baomidou.dynamic.datasource.DynamicRoutingDataSource;
import com.baomidou.dynamic.datasource.toolkit.DynamicDataSourceContextHolder;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.metrics.MetricsTrackerFactory;
import com.zaxxer.hikari.metrics.micrometer.MicrometerMetricsTrackerFactory;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.infra.Blackhole;

import org.springframework.jdbc.datasource.lookup.AbstractRoutingDataSource;

import io.multidb.Scope;
import io.multidb.TenantContext;
import io.multidb.actuate.HikariMeters;
import io.multidb.actuate.SourceMeters;
import io.multidb.routing.RouteCounts;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.transaction.SwitchCheck;

/**
 * A way to a connection of one of many sources. All stand in front of the same pools.
 */
abstract class Competitor implements AutoCloseable {

	/** The base of all ratios: no way at all, the pool is at hand. */
	static final String PLAIN = "plain";

	static final String MULTIDB = "multidb";

	private static final Map<String, IntFunction<Competitor>> ALL = Map.ofEntries(Map.entry(PLAIN, Plain::new),
			Map.entry("plain-tracked", (sources) -> new Plain(sources).tracked()), Map.entry("holder", Holder::new),
			Map.entry("spring", SpringRouter::new), Map.entry("baomidou", Baomidou::new),
			Map.entry(MULTIDB, MultiDb::new),
			Map.entry("multidb-meters", (sources) -> new MultiDb(sources, HikariMeters.NONE, 16)),
			Map.entry("multidb-gauges", (sources) -> new MultiDb(sources, HikariMeters.GAUGES, 16)),
			Map.entry("multidb-each", (sources) -> new MultiDb(sources, HikariMeters.NONE, 1)),
			Map.entry("multidb-tracked", (sources) -> new MultiDb(sources, HikariMeters.ALL, 16)));

	/** Until there is one. */
	static final Competitor NONE = new Plain(0);

	/** Equal to the names under which the sources are known, but other objects. */
	private final String[] keys;

	private Competitor(int sources) {
		this.keys = new String[sources];
		for (int i = 0; i < sources; i++) {
			this.keys[i] = name(i);
		}
	}

	static Competitor of(String name, int sources) {
		Competitor competitor = Objects.requireNonNull(ALL.get(name)).apply(sources);
		try {
			for (int i = 0; i < sources; i++) {
				competitor.within(i, (dataSource) -> dataSource.getConnection().close());
			}
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
		return competitor;
	}

	private static String name(int source) {
		return "tenant-" + source;
	}

	final String key(int source) {
		return this.keys[source];
	}

	/** Goes to a source, takes a connection, gives it back and leaves. */
	abstract void call(int source, Blackhole blackhole) throws SQLException;

	/** Goes to a source, works there with a DataSource, and leaves. */
	abstract void within(int source, Work work) throws SQLException;

	@Override
	public abstract void close();

	@FunctionalInterface
	interface Work {

		void with(DataSource dataSource) throws SQLException;

	}

	/**
	 * The connection is seen by others, as it always is, so it must be there in truth.
	 */
	private static void borrow(DataSource dataSource, Blackhole blackhole) throws SQLException {
		try (Connection connection = dataSource.getConnection()) {
			blackhole.consume(connection);
		}
	}

	private static HikariDataSource pool(String name) {
		HikariConfig config = new HikariConfig();
		config.setPoolName(name);
		config.setJdbcUrl(NoOpDriver.URL + name);
		config.setDriverClassName(NoOpDriver.class.getName());
		config.setMinimumIdle(0);
		return new HikariDataSource(config);
	}

	private static <M extends Map<? super String, ? super HikariDataSource>> M pools(M map, int sources) {
		for (int i = 0; i < sources; i++) {
			map.put(name(i), pool(name(i)));
		}
		return map;
	}

	private static void closeAll(Iterable<?> pools) {
		for (Object pool : pools) {
			((HikariDataSource) pool).close();
		}
	}

	/** As many pools as the others have, each called directly. */
	private static final class Plain extends Competitor {

		private final List<HikariDataSource> pools = new ArrayList<>();

		Plain(int sources) {
			super(sources);
			for (int i = 0; i < sources; i++) {
				this.pools.add(pool(name(i)));
			}
		}

		/** As Spring Boot does it. */
		Plain tracked() {
			MetricsTrackerFactory trackers = new MicrometerMetricsTrackerFactory(new SimpleMeterRegistry());
			this.pools.forEach((pool) -> pool.setMetricsTrackerFactory(trackers));
			return this;
		}

		@Override
		void call(int source, Blackhole blackhole) throws SQLException {
			borrow(this.pools.get(source), blackhole);
		}

		@Override
		void within(int source, Work work) throws SQLException {
			work.with(this.pools.get(source));
		}

		@Override
		public void close() {
			closeAll(this.pools);
		}

	}

	/** The least that a router can do: one mutable holder per thread, and a map. */
	private static final class Holder extends Competitor {

		private static final class Key {

			private @Nullable String value;

		}

		private static final ThreadLocal<Key> CURRENT = ThreadLocal.withInitial(Key::new);

		private final Map<String, HikariDataSource> pools;

		private final DataSource router;

		Holder(int sources) {
			super(sources);
			this.pools = pools(new ConcurrentHashMap<>(), sources);
			Function<String, HikariDataSource> find = (key) -> Objects.requireNonNull(this.pools.get(key));
			this.router = new org.springframework.jdbc.datasource.AbstractDataSource() {

				@Override
				public Connection getConnection() throws SQLException {
					return find.apply(Objects.requireNonNull(CURRENT.get().value)).getConnection();
				}

				@Override
				public Connection getConnection(String username, String password) throws SQLException {
					return getConnection();
				}

			};
		}

		@Override
		void call(int source, Blackhole blackhole) throws SQLException {
			Key key = CURRENT.get();
			String former = key.value;
			key.value = key(source);
			try {
				borrow(this.router, blackhole);
			}
			finally {
				CURRENT.get().value = former;
			}
		}

		@Override
		void within(int source, Work work) throws SQLException {
			Key key = CURRENT.get();
			String former = key.value;
			key.value = key(source);
			try {
				work.with(this.router);
			}
			finally {
				CURRENT.get().value = former;
			}
		}

		@Override
		public void close() {
			closeAll(this.pools.values());
		}

	}

	/** The example of every tutorial. */
	private static final class SpringRouter extends Competitor {

		private static final ThreadLocal<@Nullable String> CURRENT = new ThreadLocal<>();

		private final Map<Object, Object> pools;

		private final AbstractRoutingDataSource router = new AbstractRoutingDataSource() {

			@Override
			protected @Nullable Object determineCurrentLookupKey() {
				return CURRENT.get();
			}

		};

		SpringRouter(int sources) {
			super(sources);
			this.pools = pools(new HashMap<>(), sources);
			this.router.setTargetDataSources(this.pools);
			this.router.afterPropertiesSet();
		}

		@Override
		void call(int source, Blackhole blackhole) throws SQLException {
			CURRENT.set(key(source));
			try {
				borrow(this.router, blackhole);
			}
			finally {
				CURRENT.remove();
			}
		}

		@Override
		void within(int source, Work work) throws SQLException {
			CURRENT.set(key(source));
			try {
				work.with(this.router);
			}
			finally {
				CURRENT.remove();
			}
		}

		@Override
		public void close() {
			closeAll(this.pools.values());
		}

	}

	private static final class Baomidou extends Competitor {

		private final Map<String, DataSource> pools;

		private final DynamicRoutingDataSource router;

		Baomidou(int sources) {
			super(sources);
			this.pools = pools(new HashMap<>(), sources);
			this.router = new DynamicRoutingDataSource(List.of(() -> this.pools));
			this.router.setPrimary(name(0));
			this.router.setStrict(true);
			this.router.setP6spy(false);
			this.router.setSeata(false);
			this.router.afterPropertiesSet();
		}

		@Override
		void call(int source, Blackhole blackhole) throws SQLException {
			DynamicDataSourceContextHolder.push(key(source));
			try {
				borrow(this.router, blackhole);
			}
			finally {
				DynamicDataSourceContextHolder.poll();
			}
		}

		@Override
		void within(int source, Work work) throws SQLException {
			DynamicDataSourceContextHolder.push(key(source));
			try {
				work.with(this.router);
			}
			finally {
				DynamicDataSourceContextHolder.poll();
			}
		}

		@Override
		public void close() {
			closeAll(this.pools.values());
		}

	}

	private static final class MultiDb extends Competitor {

		private final SourceRegistry registry;

		private final RoutingDataSource router;

		private final SwitchCheck switches;

		/** Without meters. */
		MultiDb(int sources) {
			this(sources, HikariMeters.NONE, 0);
		}

		/**
		 * With meters.
		 * @param timed one lease of so many is timed; 0 for no meters
		 */
		MultiDb(int sources, HikariMeters hikari, int timed) {
			super(sources);
			List<SourceDefinition> definitions = new ArrayList<>();
			for (int i = 0; i < sources; i++) {
				definitions.add(SourceDefinition.named(name(i))
					.url(NoOpDriver.URL + name(i))
					.driverClassName(NoOpDriver.class.getName())
					.build());
			}
			this.registry = new SourceRegistry(definitions, List.of(), SourceMigrator.NONE, (event) -> {
			});
			Routes routes = new Routes(List.of(), null, this.registry);
			this.router = new RoutingDataSource(routes);
			if (timed > 0) {
				measure(hikari, timed);
			}
			this.switches = new SwitchCheck(routes, null, List::of);
		}

		private void measure(HikariMeters hikari, int timed) {
			SourceMeters meters = new SourceMeters(() -> this.registry, 100, hikari);
			this.registry.measure(meters, timed);
			meters.bindTo(new SimpleMeterRegistry());
			this.router.count(new RouteCounts());
		}

		@Override
		void call(int source, Blackhole blackhole) throws SQLException {
			try (Scope scope = TenantContext.enter(key(source))) {
				borrow(this.router, blackhole);
			}
		}

		@Override
		void within(int source, Work work) throws SQLException {
			try (Scope scope = TenantContext.enter(key(source))) {
				work.with(this.router);
			}
		}

		@Override
		public void close() {
			this.switches.close();
			this.registry.close();
		}

	}

}
