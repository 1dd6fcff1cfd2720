package io.multidb.actuate;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
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

import io.multidb.source.LeaseCounts;
import io.multidb.source.LeaseCounts.Totals;
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
 * counter ever becomes less. A tenant that never had an open pool has no meter. See ADR
 * 26.
 * <p>
 * Thread-safe. {@code lock} guards what is counted where; whoever reads a meter takes it.
 * {@code binding} is taken before it, and while meters are made and removed, which may
 * take locks of a meter registry's.
 */
public final class SourceMeters implements MeterBinder, PoolListener {

	/** How often it is looked which sources are used most. */
	static final long RANKING_INTERVAL = TimeUnit.MINUTES.toNanos(5);

	/** One that was used so much more takes the place of another. */
	private static final int MUCH = 2;

	/** And at least so many times more, so that hardly used ones stay as they are. */
	private static final int MANY = 10;

	/** A part of the places at a time, so that a backend meets few new series. */
	private static final int PART = 10;

	/** So long what was found by looking at all sources or servers is good for. */
	private static final long FRESH = TimeUnit.MILLISECONDS.toNanos(100);

	private final Supplier<SourceRegistry> sources;

	private final int most;

	private final HikariMeters hikari;

	private final LongSupplier ticker;

	private final List<MeterRegistry> registries = new CopyOnWriteArrayList<>();

	private final ReentrantLock binding = new ReentrantLock();

	/** Guarded by binding. */
	private final Map<Series, List<Bound>> meters = new HashMap<>();

	/** Changed under binding. */
	private final Set<String> servers = ConcurrentHashMap.newKeySet();

	/** Guarded by binding. */
	private boolean otherIsBound;

	private final ReentrantLock lock = new ReentrantLock();

	/** Changed under lock. */
	private final Map<String, Series> named = new ConcurrentHashMap<>();

	private final Series other = new Series(DatasourcesMeter.OTHER, null);

	/** How many pools there were after the last sweep; guarded by lock. */
	private int swept;

	/** Guarded by binding. */
	private long rankedAt;

	private volatile @Nullable Tally tally;

	private volatile @Nullable Servers serverStates;

	/** A meter, and where it is. */
	private record Bound(MeterRegistry registry, Meter meter) {
	}

	/** How many sources there are, by state. */
	private record Tally(long at, Map<Class<?>, Integer> states) {

		int count(Class<?> state) {
			return this.states.getOrDefault(state, 0);
		}

	}

	private record Servers(long at, Map<String, ServerState> states) {
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
		this.rankedAt = ticker.getAsLong();
	}

	@Override
	public void bindTo(MeterRegistry registry) {
		this.binding.lock();
		try {
			this.registries.add(registry);
			bindStates(registry);
			List<Series> all = new ArrayList<>(this.named.values());
			if (this.otherIsBound) {
				all.add(this.other);
			}
			all.forEach((series) -> bind(series, registry));
			this.servers.forEach((server) -> bindServer(server, registry));
		}
		finally {
			this.binding.unlock();
		}
	}

	@Override
	public void opened(Source source, LeaseCounts counts) {
		Series.Live pool = new Series.Live(source, counts);
		Series series;
		boolean isNew;
		this.lock.lock();
		try {
			sweepSometimes();
			series = this.named.get(source.name());
			isNew = series == null;
			if (series == null) {
				series = begin(source);
			}
			series.add(pool);
		}
		finally {
			this.lock.unlock();
		}
		String server = source.server();
		if (server != null && this.servers.contains(server)) {
			server = null;
		}
		if (isNew || server != null) {
			this.binding.lock();
			try {
				bind(series);
				if (server != null) {
					bindServer(server);
				}
			}
			finally {
				this.binding.unlock();
			}
		}
	}

	/** One of its own, if there is a place; under lock. */
	private Series begin(Source source) {
		if (this.named.size() >= this.most || isNamedAsTheRest(source.name())) {
			return this.other;
		}
		Series series = new Series(source.name(), source);
		this.named.put(source.name(), series);
		return series;
	}

	/** It could not be told from the rest, so it is part of that. */
	private static boolean isNamedAsTheRest(String name) {
		return name.equals(DatasourcesMeter.OTHER);
	}

	@Override
	public void removed(Source source) {
		Series series;
		this.lock.lock();
		try {
			series = this.named.get(source.name());
			if (series == null || !source.equals(series.source())) {
				return;
			}
			this.named.remove(source.name());
			series.end();
		}
		finally {
			this.lock.unlock();
		}
		this.binding.lock();
		try {
			unbind(series);
		}
		finally {
			this.binding.unlock();
		}
	}

	@Override
	public @Nullable MetricsTrackerFactory tracker(String source) {
		return (this.hikari == HikariMeters.ALL) ? (name, stats) -> new HikariTracker(() -> timers(source)) : null;
	}

	private List<HikariTimers> timers(String source) {
		Series series = this.named.get(source);
		return (series != null) ? series.hikari() : List.of();
	}

	/** Each time that twice as many have come; under lock. */
	private void sweepSometimes() {
		int now = this.other.pools().size() + this.named.size();
		if (now > 2 * this.swept + 16) {
			sweep();
		}
	}

	private void sweep() {
		this.other.sweep();
		this.named.values().forEach(Series::sweep);
		this.swept = this.other.pools().size() + this.named.size();
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
		if (this.binding.tryLock()) {
			try {
				unavailable.forEach(this::name);
				if (found.count(SourceState.Unavailable.class) > namedUnavailable()) {
					bind(this.other);
				}
				this.lock.lock();
				try {
					sweep();
				}
				finally {
					this.lock.unlock();
				}
				if (now - this.rankedAt >= RANKING_INTERVAL) {
					this.rankedAt = now;
					rank();
				}
			}
			finally {
				this.binding.unlock();
			}
		}
		return found;
	}

	private void name(Source unavailable) {
		Series series;
		this.lock.lock();
		try {
			if (this.named.containsKey(unavailable.name()) || unavailable.isGone()) {
				return;
			}
			series = begin(unavailable);
			if (series != this.other) {
				this.other.move(series.tag(), series);
			}
		}
		finally {
			this.lock.unlock();
		}
		bind(series);
	}

	private long namedUnavailable() {
		return this.named.values().stream().filter(Series::isUnavailable).count();
	}

	/** Under binding. */
	private void rank() {
		List<Series> ended = new ArrayList<>();
		List<Series> begun = new ArrayList<>();
		this.lock.lock();
		try {
			Map<Source, Double> rest = new LinkedHashMap<>();
			for (Series.Live pool : this.other.pools()) {
				double use = pool.rank();
				if (!isNamedAsTheRest(pool.source().name())) {
					rest.merge(pool.source(), use, Double::sum);
				}
			}
			Map<Series, Double> own = new LinkedHashMap<>();
			this.named.values().forEach((series) -> own.put(series, series.rank()));
			List<Map.Entry<Source, Double>> best = new ArrayList<>(rest.entrySet());
			best.sort(Map.Entry.<Source, Double>comparingByValue().reversed());
			List<Map.Entry<Series, Double>> worst = new ArrayList<>(own.entrySet());
			worst.sort(Map.Entry.comparingByValue(Comparator.naturalOrder()));
			int changes = Math.max(1, this.most / PART);
			int gone = 0;
			for (Map.Entry<Source, Double> each : best) {
				if (this.named.size() >= this.most) {
					if (gone >= Math.min(changes, worst.size())
							|| each.getValue() <= MUCH * worst.get(gone).getValue() + MANY) {
						break;
					}
					Series loser = worst.get(gone++).getKey();
					this.named.remove(loser.tag());
					loser.end();
					loser.move(loser.tag(), this.other);
					ended.add(loser);
				}
				Series series = begin(each.getKey());
				this.other.move(series.tag(), series);
				begun.add(series);
			}
		}
		finally {
			this.lock.unlock();
		}
		ended.forEach(this::unbind);
		begun.forEach(this::bind);
	}

	/** Under binding. */
	private void bind(Series series) {
		if (series.equals(this.other)) {
			if (this.otherIsBound) {
				return;
			}
			this.otherIsBound = true;
		}
		else if (this.meters.containsKey(series)) {
			return;
		}
		this.registries.forEach((registry) -> bind(series, registry));
	}

	private void bind(Series series, MeterRegistry registry) {
		// It may have been removed since.
		if (!series.isEnded()) {
			this.meters.computeIfAbsent(series, (added) -> new ArrayList<>()).addAll(made(series, registry));
		}
	}

	private void unbind(Series series) {
		List<Bound> bound = this.meters.remove(series);
		if (bound != null) {
			bound.forEach((each) -> each.registry().remove(each.meter()));
		}
	}

	private List<Bound> made(Series series, MeterRegistry registry) {
		List<Bound> made = new ArrayList<>();
		made.add(gauge(DatasourcesMeter.LEASES_ACTIVE, series, registry, (each) -> each.sum(PoolState::active)));
		made.add(gauge(DatasourcesMeter.LEASES_WAITING, series, registry, (each) -> each.sum(PoolState::waiting)));
		made.add(gauge(DatasourcesMeter.CONNECTIONS_IDLE, series, registry, (each) -> each.sum(PoolState::idle)));
		made.add(gauge(DatasourcesMeter.CONNECTIONS_MAX, series, registry, (each) -> each.sum(PoolState::max)));
		made.add(new Bound(registry,
				Gauge.builder(DatasourcesMeter.UNAVAILABLE.getName(), series, this::unavailable)
					.tags(tags(DatasourcesMeter.Key.SOURCE, series.tag()))
					.description(DatasourcesMeter.UNAVAILABLE.description())
					.register(registry)));
		made.add(timer(DatasourcesMeter.LEASES_WAIT, series, registry, Totals::waited));
		made.add(timer(DatasourcesMeter.LEASES_USAGE, series, registry, Totals::held));
		made.add(new Bound(registry,
				FunctionCounter
					.builder(DatasourcesMeter.LEASES_TIMEOUTS.getName(), series,
							(each) -> locked(each, (its) -> its.totals().timeouts()))
					.tags(tags(DatasourcesMeter.Key.SOURCE, series.tag()))
					.description(DatasourcesMeter.LEASES_TIMEOUTS.description())
					.register(registry)));
		if (this.hikari != HikariMeters.NONE && series.source() != null) {
			made.addAll(known(series, registry));
		}
		return made;
	}

	/** Those that dashboards know. */
	private List<Bound> known(Series series, MeterRegistry registry) {
		List<Bound> made = new ArrayList<>();
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
			timers.meters().forEach((each) -> made.add(new Bound(registry, each)));
			series.hikari().add(timers);
		}
		return made;
	}

	private long unavailable(Series series) {
		if (series.source() != null) {
			return series.isUnavailable() ? 1 : 0;
		}
		return Math.max(0, look().count(SourceState.Unavailable.class) - namedUnavailable());
	}

	private Bound gauge(DatasourcesMeter meter, Series series, MeterRegistry registry, ToLongFunction<Series> value) {
		return gauge(meter.getName(), tags(DatasourcesMeter.Key.SOURCE, series.tag()), meter.description(), series,
				registry, value);
	}

	private Bound gauge(String name, Tags tags, String description, Series series, MeterRegistry registry,
			ToLongFunction<Series> value) {
		return new Bound(registry,
				Gauge.builder(name, series, (each) -> locked(each, value))
					.tags(tags)
					.description(description)
					.register(registry));
	}

	private Bound timer(DatasourcesMeter meter, Series series, MeterRegistry registry, ToLongFunction<Totals> nanos) {
		return new Bound(registry,
				FunctionTimer
					.builder(meter.getName(), series, (each) -> locked(each, (its) -> its.totals().leases()),
							(each) -> locked(each, (its) -> nanos.applyAsLong(its.totals())), TimeUnit.NANOSECONDS)
					.tags(tags(DatasourcesMeter.Key.SOURCE, series.tag()))
					.description(meter.description())
					.register(registry));
	}

	private long locked(Series series, ToLongFunction<Series> value) {
		this.lock.lock();
		try {
			return value.applyAsLong(series);
		}
		finally {
			this.lock.unlock();
		}
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

	/** Under binding; those beyond the limit are one. */
	private void bindServer(String server) {
		boolean own = this.servers.contains(server) || this.servers.size() < this.most;
		String tag = own ? server : DatasourcesMeter.OTHER;
		if (this.servers.add(tag)) {
			this.registries.forEach((registry) -> bindServer(tag, registry));
		}
	}

	private void bindServer(String tag, MeterRegistry registry) {
		serverGauge(DatasourcesMeter.SERVER_LIMIT, tag, registry,
				(state) -> (state.limit() != null) ? state.limit() : Double.NaN);
		serverGauge(DatasourcesMeter.SERVER_ACTIVE, tag, registry, ServerState::inUse);
		serverGauge(DatasourcesMeter.SERVER_IDLE, tag, registry, ServerState::idle);
		serverGauge(DatasourcesMeter.SERVER_WAITING, tag, registry, ServerState::waiting);
		FunctionCounter
			.builder(DatasourcesMeter.SERVER_STOLEN.getName(), this,
					(meters) -> meters.server(tag, ServerState::stolen))
			.tags(tags(DatasourcesMeter.Key.SERVER, tag))
			.description(DatasourcesMeter.SERVER_STOLEN.description())
			.register(registry);
	}

	private void serverGauge(DatasourcesMeter meter, String tag, MeterRegistry registry,
			ToDoubleFunction<ServerState> value) {
		Gauge.builder(meter.getName(), this, (meters) -> meters.server(tag, value))
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
				.filter((each) -> isNamedAsTheRest(each.server()) || !this.servers.contains(each.server()))
				.mapToDouble(value)
				.sum();
		}
		ServerState state = known.states().get(tag);
		return (state != null) ? value.applyAsDouble(state) : 0;
	}

}
