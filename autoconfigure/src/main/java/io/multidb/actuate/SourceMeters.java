package io.multidb.actuate;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;

import com.zaxxer.hikari.metrics.MetricsTrackerFactory;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.FunctionTimer;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.binder.MeterBinder;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.source.LeaseCounts.Totals;
import io.multidb.source.LeaseCounts;
import io.multidb.source.PoolListener;
import io.multidb.source.PoolState;
import io.multidb.source.ServerState;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;

/**
 * The meters of sources and servers. A source has meters of its own from when it was
 * opened for the first time, or found unavailable, until it is removed, as long as there
 * are not more than the limit; what the rest does is summed up as
 * {@value DatasourcesMeter#OTHER}. Every few minutes, those of the rest that were used
 * much more than some with meters of their own take their places: such a source's counts
 * begin at zero then, and what it had counted for the rest stays there, so that no
 * counter ever becomes less. One that is down keeps its place. A tenant that never had an
 * open pool has no meter. See ADR 26.
 * <p>
 * Thread-safe. What is counted where is decided in {@link AllSeries}; then every registry
 * is given the meters of the series there are and relieved of all others, under
 * {@code binding}, so that whoever does it last is right, whatever happened meanwhile. No
 * reader of a meter waits for that lock.
 */
public final class SourceMeters implements MeterBinder, PoolListener {

	private static final Logger logger = LoggerFactory.getLogger(SourceMeters.class);

	/** How often it is looked which sources are used most. */
	static final long RANKING_INTERVAL = TimeUnit.MINUTES.toNanos(5);

	/** So long what was found by looking at all sources or servers is good for. */
	private static final long FRESH = TimeUnit.MILLISECONDS.toNanos(100);

	private final Supplier<SourceRegistry> sources;

	private final int most;

	private final HikariMeters hikari;

	private final LongSupplier ticker;

	private final AllSeries series;

	/** Held while meters are made and removed, which may take locks of a registry's. */
	private final ReentrantLock binding = new ReentrantLock();

	/** Guarded by binding. */
	private final List<Bound> registries = new ArrayList<>();

	/** The tags of servers; changed under binding. */
	private final Map<String, String> servers = new ConcurrentHashMap<>();

	/** Guarded by binding. */
	private long rankedAt;

	/** As of which of their changes there are meters of the series; under binding. */
	private volatile int settled;

	private volatile @Nullable Tally tally;

	private volatile @Nullable Servers serverStates;

	/** How many sources there are, by state. */
	private record Tally(long at, Map<Class<?>, Integer> states) {

		int count(Class<?> state) {
			return this.states.getOrDefault(state, 0);
		}

	}

	private record Servers(long at, Map<String, ServerState> states) {
	}

	/** A registry with the meters it has; guarded by binding. */
	private final class Bound {

		private final MeterRegistry registry;

		/** By series, or the tags of servers. */
		private final Map<Object, List<Meter>> meters = new HashMap<>();

		Bound(MeterRegistry registry) {
			this.registry = registry;
		}

		/** Those that go first: another source may have the name of one. */
		void settle(Set<Object> wanted) {
			for (Object known : List.copyOf(this.meters.keySet())) {
				if (!wanted.contains(known)) {
					remove(Objects.requireNonNull(this.meters.remove(known)));
				}
			}
			for (Object each : wanted) {
				if (!this.meters.containsKey(each)) {
					List<Meter> made = new ArrayList<>();
					this.meters.put(each, made);
					make(each, made);
				}
			}
		}

		private void make(Object of, List<Meter> made) {
			try {
				if (of instanceof Series its) {
					bind(its, this.registry, made);
				}
				else {
					bindServer(of.toString(), this.registry, made);
				}
			}
			catch (RuntimeException ex) {
				logger.warn("A registry refused meters of {}", of, ex);
			}
		}

		private void remove(List<Meter> gone) {
			for (Meter meter : gone) {
				try {
					this.registry.remove(meter);
				}
				catch (RuntimeException ex) {
					logger.warn("A registry did not remove {}", meter.getId(), ex);
				}
			}
		}

		/** Nobody reads its meters any more. */
		boolean isOver() {
			if (this.registry.isClosed()) {
				this.meters.forEach((of, made) -> {
					if (of instanceof Series its) {
						its.hikari().removeIf((timers) -> made.containsAll(timers.meters()));
					}
				});
				return true;
			}
			return false;
		}

	}

	/**
	 * Creates the meters.
	 * @param sources gives the registry, which may need this object to be made
	 * @param most how many sources, and servers, have a tag of their own; 0 for none
	 * @param hikari which meters of HikariCP's there are, too
	 */
	public SourceMeters(Supplier<SourceRegistry> sources, int most, HikariMeters hikari) {
		this(sources, most, hikari, System::nanoTime);
	}

	SourceMeters(Supplier<SourceRegistry> sources, int most, HikariMeters hikari, LongSupplier ticker) {
		this.sources = sources;
		this.most = most;
		this.hikari = hikari;
		this.ticker = ticker;
		this.series = new AllSeries(most);
		this.rankedAt = ticker.getAsLong();
	}

	@Override
	public void bindTo(MeterRegistry registry) {
		this.binding.lock();
		try {
			if (this.registries.stream().noneMatch((each) -> each.registry.equals(registry))) {
				this.registries.add(new Bound(registry));
				bindStates(registry);
				settle();
			}
		}
		finally {
			this.binding.unlock();
		}
	}

	@Override
	public void opened(Source source, LeaseCounts counts) {
		this.series.opened(source, counts);
		String server = source.server();
		boolean isNew = server != null && !this.servers.containsKey(server) && hasBudget(server);
		if (isNew || this.series.changes() != this.settled) {
			this.binding.lock();
			try {
				if (server != null && isNew && !this.servers.containsKey(server)) {
					this.servers.put(server, tag(server));
				}
				settle();
			}
			finally {
				this.binding.unlock();
			}
		}
	}

	@Override
	public void removed(Source source) {
		this.series.removed(source);
		if (this.series.changes() != this.settled) {
			this.binding.lock();
			try {
				settle();
			}
			finally {
				this.binding.unlock();
			}
		}
	}

	@Override
	public @Nullable MetricsTrackerFactory tracker(String source) {
		return (this.hikari == HikariMeters.ALL) ? (name, stats) -> new HikariTracker(() -> timers(source)) : null;
	}

	private List<HikariTimers> timers(String source) {
		Series its = this.series.find(source);
		return (its != null) ? its.hikari() : List.of();
	}

	/** Has all registries have the meters that are wanted now; under binding. */
	private void settle() {
		int changes = this.series.changes();
		Set<Object> wanted = new LinkedHashSet<>(this.series.list());
		wanted.addAll(this.servers.values());
		this.registries.removeIf(Bound::isOver);
		this.registries.forEach((each) -> each.settle(wanted));
		this.settled = changes;
	}

	/** Called whenever somebody reads the meters. */
	private Tally look() {
		long now = this.ticker.getAsLong();
		Tally last = this.tally;
		if (last != null && now - last.at() < FRESH) {
			return last;
		}
		Map<Class<?>, Integer> states = new HashMap<>();
		List<Source> unavailable = new ArrayList<>();
		this.sources.get().stream().forEach((source) -> {
			SourceState state = source.state();
			states.merge(state.getClass(), 1, Integer::sum);
			if (state instanceof SourceState.Unavailable && source.definition().template() == null
					&& unavailable.size() < this.most) {
				unavailable.add(source);
			}
		});
		Tally found = new Tally(now, states);
		this.tally = found;
		// Who is at it already reads meters of ours, or makes them.
		if (!this.binding.isHeldByCurrentThread() && this.binding.tryLock()) {
			try {
				this.series.unavailable(unavailable, found.count(SourceState.Unavailable.class));
				this.series.clean();
				if (now - this.rankedAt >= RANKING_INTERVAL) {
					this.rankedAt = now;
					this.series.rank();
					forgetServers();
				}
				settle();
			}
			finally {
				this.binding.unlock();
			}
		}
		return found;
	}

	private void bind(Series series, MeterRegistry registry, List<Meter> made) {
		made.add(gauge(DatasourcesMeter.LEASES_ACTIVE, series, registry, (each) -> each.sum(PoolState::active)));
		made.add(gauge(DatasourcesMeter.LEASES_WAITING, series, registry, (each) -> each.sum(PoolState::waiting)));
		made.add(gauge(DatasourcesMeter.CONNECTIONS_IDLE, series, registry, (each) -> each.sum(PoolState::idle)));
		made.add(gauge(DatasourcesMeter.CONNECTIONS_MAX, series, registry, (each) -> each.sum(PoolState::max)));
		made.add(Gauge.builder(DatasourcesMeter.UNAVAILABLE.getName(), series, this::unavailable)
			.tags(tags(DatasourcesMeter.Key.SOURCE, series.tag()))
			.description(DatasourcesMeter.UNAVAILABLE.description())
			.register(registry));
		made.add(timer(DatasourcesMeter.LEASES_WAIT, series, registry, Totals::waited));
		made.add(timer(DatasourcesMeter.LEASES_USAGE, series, registry, Totals::held));
		made.add(FunctionCounter
			.builder(DatasourcesMeter.LEASES_TIMEOUTS.getName(), series,
					(each) -> this.series.read(each, (its) -> its.totals().timeouts()))
			.tags(tags(DatasourcesMeter.Key.SOURCE, series.tag()))
			.description(DatasourcesMeter.LEASES_TIMEOUTS.description())
			.register(registry));
		if (this.hikari != HikariMeters.NONE && series.source() != null) {
			bindKnown(series, registry, made);
		}
	}

	/** Those that dashboards know. */
	private void bindKnown(Series series, MeterRegistry registry, List<Meter> made) {
		Tags pool = Tags.of("pool", series.tag());
		Tags name = Tags.of("name", series.tag());
		ToLongFunction<Series> active = (each) -> each.sum(PoolState::active);
		ToLongFunction<Series> idle = (each) -> each.sum(PoolState::idle);
		ToLongFunction<Series> max = (each) -> each.sum(PoolState::max);
		ToLongFunction<Series> min = (each) -> each.sumOf(Source::minimumIdle);
		made.add(gauge("hikaricp.connections", pool, "Total connections", series, registry,
				(each) -> each.sum((state) -> state.active() + state.idle())));
		made.add(gauge("hikaricp.connections.active", pool, "Active connections", series, registry, active));
		made.add(gauge("hikaricp.connections.idle", pool, "Idle connections", series, registry, idle));
		made.add(gauge("hikaricp.connections.pending", pool, "Pending threads", series, registry,
				(each) -> each.sum(PoolState::waiting)));
		made.add(gauge("hikaricp.connections.max", pool, "Max connections", series, registry, max));
		made.add(gauge("hikaricp.connections.min", pool, "Min connections", series, registry, min));
		made.add(gauge("jdbc.connections.active", name,
				"Current number of active connections that have been allocated from the data source.", series, registry,
				active));
		made.add(gauge("jdbc.connections.idle", name, "Number of established but idle connections.", series, registry,
				idle));
		made.add(gauge("jdbc.connections.max", name,
				"Maximum number of active connections that can be allocated at the same time.", series, registry, max));
		made.add(gauge("jdbc.connections.min", name, "Minimum number of idle connections in the pool.", series,
				registry, min));
		if (this.hikari == HikariMeters.ALL) {
			HikariTimers timers = HikariTimers.of(series.tag(), registry);
			made.addAll(timers.meters());
			series.hikari().add(timers);
		}
	}

	private long unavailable(Series series) {
		if (series.source() != null) {
			return series.isUnavailable() ? 1 : 0;
		}
		return Math.max(0, look().count(SourceState.Unavailable.class) - this.series.unavailable());
	}

	private Meter gauge(DatasourcesMeter meter, Series series, MeterRegistry registry, ToLongFunction<Series> value) {
		return gauge(meter.getName(), tags(DatasourcesMeter.Key.SOURCE, series.tag()), meter.description(), series,
				registry, value);
	}

	private Meter gauge(String name, Tags tags, String description, Series series, MeterRegistry registry,
			ToLongFunction<Series> value) {
		return Gauge.builder(name, series, (each) -> this.series.read(each, value))
			.tags(tags)
			.description(description)
			.register(registry);
	}

	private Meter timer(DatasourcesMeter meter, Series series, MeterRegistry registry, ToLongFunction<Totals> nanos) {
		return FunctionTimer
			.builder(meter.getName(), series, (each) -> this.series.read(each, (its) -> its.totals().leases()),
					(each) -> this.series.read(each, (its) -> nanos.applyAsLong(its.totals())), TimeUnit.NANOSECONDS)
			.tags(tags(DatasourcesMeter.Key.SOURCE, series.tag()))
			.description(meter.description())
			.register(registry);
	}

	private static Tags tags(DatasourcesMeter.Key key, String value) {
		return Tags.of(key.asString(), value);
	}

	private void bindStates(MeterRegistry registry) {
		for (Class<?> state : SourceState.class.getPermittedSubclasses()) {
			if (state != SourceState.Removed.class) {
				Gauge.builder(DatasourcesMeter.SOURCES.getName(), this, (meters) -> meters.look().count(state))
					.tags(tags(DatasourcesMeter.Key.STATE, state.getSimpleName().toLowerCase(Locale.ROOT)))
					.description(DatasourcesMeter.SOURCES.description())
					.register(registry);
			}
		}
	}

	private boolean hasBudget(String server) {
		return this.sources.get().servers().stream().anyMatch((state) -> state.server().equals(server));
	}

	/** Its own, or that of those beyond the limit, which it keeps. */
	private String tag(String server) {
		long own = this.servers.values().stream().filter((tag) -> !AllSeries.isNamedAsTheRest(tag)).count();
		return (own < this.most) ? server : DatasourcesMeter.OTHER;
	}

	/** Those at which no source is any more lose their meters; under binding. */
	private void forgetServers() {
		Map<String, String> gone = new HashMap<>(this.servers);
		gone.values().removeIf(AllSeries::isNamedAsTheRest);
		removeUsed(gone);
		gone.keySet().forEach(this.servers::remove);
		// Who opens a source there from now on sees that; who did before is seen here.
		Map<String, String> again = new HashMap<>(gone);
		removeUsed(gone);
		again.keySet().removeAll(gone.keySet());
		this.servers.putAll(again);
	}

	private void removeUsed(Map<String, String> tags) {
		if (tags.isEmpty()) {
			return;
		}
		boolean unused = this.sources.get().stream().anyMatch((source) -> {
			String server = source.server();
			return server != null && tags.remove(server) != null && tags.isEmpty();
		});
	}

	private void bindServer(String tag, MeterRegistry registry, List<Meter> made) {
		made.add(serverGauge(DatasourcesMeter.SERVER_LIMIT, tag, registry,
				(state) -> (state.limit() != null) ? state.limit() : Double.NaN));
		made.add(serverGauge(DatasourcesMeter.SERVER_ACTIVE, tag, registry, ServerState::inUse));
		made.add(serverGauge(DatasourcesMeter.SERVER_IDLE, tag, registry, ServerState::idle));
		made.add(serverGauge(DatasourcesMeter.SERVER_WAITING, tag, registry, ServerState::waiting));
		made.add(FunctionCounter
			.builder(DatasourcesMeter.SERVER_STOLEN.getName(), this,
					(meters) -> meters.server(tag, ServerState::stolen))
			.tags(tags(DatasourcesMeter.Key.SERVER, tag))
			.description(DatasourcesMeter.SERVER_STOLEN.description())
			.register(registry));
	}

	private Meter serverGauge(DatasourcesMeter meter, String tag, MeterRegistry registry,
			ToDoubleFunction<ServerState> value) {
		return Gauge.builder(meter.getName(), this, (meters) -> meters.server(tag, value))
			.tags(tags(DatasourcesMeter.Key.SERVER, tag))
			.description(meter.description())
			.register(registry);
	}

	private double server(String tag, ToDoubleFunction<ServerState> value) {
		long now = this.ticker.getAsLong();
		Servers known = this.serverStates;
		if (known == null || now - known.at() >= FRESH) {
			Map<String, ServerState> states = new HashMap<>();
			this.sources.get().servers().forEach((state) -> states.put(state.server(), state));
			known = new Servers(now, states);
			this.serverStates = known;
		}
		if (tag.equals(DatasourcesMeter.OTHER)) {
			return known.states()
				.values()
				.stream()
				.filter((each) -> tag.equals(this.servers.get(each.server())))
				.mapToDouble(value)
				.sum();
		}
		ServerState state = known.states().get(tag);
		return (state != null) ? value.applyAsDouble(state) : 0;
	}

}
