package io.multidb.actuate;

import java.time.Duration;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.binder.MeterBinder;
import org.jspecify.annotations.Nullable;

import io.multidb.Operation;
import io.multidb.access.Access;
import io.multidb.catalog.Catalog;
import io.multidb.fanout.FanOut;
import io.multidb.fanout.SourceOutcome;
import io.multidb.routing.RouteCounts;
import io.multidb.source.PoolEnd;
import io.multidb.source.SourceRegistry;

/**
 * The meters of routes, pools, fan-outs, access and the catalog, all of which are counted
 * where they happen and only read here. Immutable and thread-safe.
 */
public final class DatasourcesMeters implements MeterBinder {

	private final SourceRegistry sources;

	private final RouteCounts routes;

	private final @Nullable Access access;

	private final @Nullable FanOut fanOut;

	private final @Nullable Catalog catalog;

	private final Supplier<Map<String, String>> problems;

	/**
	 * Creates the meters.
	 * @param sources the sources
	 * @param routes counts what becomes of asking for connections
	 * @param access the rules, or {@code null} if there are none
	 * @param fanOut asks many sources, or {@code null}
	 * @param catalog the catalog, or {@code null}
	 * @param problems why definitions of providers are not in use, by the sources' names
	 */
	public DatasourcesMeters(SourceRegistry sources, RouteCounts routes, @Nullable Access access,
			@Nullable FanOut fanOut, @Nullable Catalog catalog, Supplier<Map<String, String>> problems) {
		this.sources = sources;
		this.routes = routes;
		this.access = access;
		this.fanOut = fanOut;
		this.catalog = catalog;
		this.problems = problems;
	}

	@Override
	public void bindTo(MeterRegistry registry) {
		for (RouteCounts.Outcome outcome : RouteCounts.Outcome.values()) {
			counter(DatasourcesMeter.ROUTES, this.routes, registry, (routed) -> routed.count(outcome),
					outcome.toString());
		}
		for (PoolEnd reason : PoolEnd.values()) {
			counter(DatasourcesMeter.POOLS_CLOSED, this.sources, registry,
					(registered) -> registered.closedPools(reason), reason.name().toLowerCase(Locale.ROOT));
		}
		gauge(DatasourcesMeter.POOLS_WAITING, this.sources, registry, SourceRegistry::waitingForPlaces);
		if (this.access != null) {
			for (Operation operation : Operation.values()) {
				counter(DatasourcesMeter.ACCESS_REFUSALS, this.access, registry, (rules) -> rules.refusals(operation),
						operation.name().toLowerCase(Locale.ROOT));
			}
		}
		if (this.fanOut != null) {
			for (SourceOutcome.Status status : SourceOutcome.Status.values()) {
				counter(DatasourcesMeter.FANOUT_OUTCOMES, this.fanOut, registry, (asking) -> asking.outcomes(status),
						status.toString());
			}
			gauge(DatasourcesMeter.FANOUT_LATE, this.fanOut, registry, FanOut::late);
		}
		if (this.catalog != null) {
			bindTo(registry, this.catalog);
		}
	}

	private void bindTo(MeterRegistry registry, Catalog catalog) {
		gauge(DatasourcesMeter.CATALOG_AGE, catalog, registry, DatasourcesMeters::age);
		gauge(DatasourcesMeter.CATALOG_REVISION, catalog, registry, (read) -> read.figures().revision());
		gauge(DatasourcesMeter.CATALOG_SOURCES, catalog, registry, (read) -> read.figures().sources());
		gauge(DatasourcesMeter.CATALOG_REFUSED, catalog, registry, this::refused);
		counter(DatasourcesMeter.CATALOG_FAILURES, catalog, registry, (read) -> read.figures().failures(), null);
	}

	/** Rows with a mistake, and those that others stand in the way of. */
	private double refused(Catalog catalog) {
		Set<String> names = new HashSet<>(this.problems.get().keySet());
		names.removeIf((name) -> catalog.find(name) == null);
		names.addAll(catalog.status().refused().keySet());
		return names.size();
	}

	private static double age(Catalog catalog) {
		Duration age = catalog.figures().age();
		return (age != null) ? age.toNanos() / 1e9 : Double.NaN;
	}

	private static <T> void counter(DatasourcesMeter meter, T counted, MeterRegistry registry,
			ToDoubleFunction<T> value, @Nullable String tag) {
		FunctionCounter.builder(meter.getName(), counted, value)
			.tags(tags(meter, tag))
			.baseUnit(meter.getBaseUnit())
			.description(meter.description())
			.register(registry);
	}

	private static <T> void gauge(DatasourcesMeter meter, T measured, MeterRegistry registry,
			ToDoubleFunction<T> value) {
		Gauge.builder(meter.getName(), measured, value)
			.baseUnit(meter.getBaseUnit())
			.description(meter.description())
			.register(registry);
	}

	/** With its tag, if it has one. */
	private static Tags tags(DatasourcesMeter meter, @Nullable String value) {
		return (value != null) ? Tags.of(meter.getKeyNames()[0].asString(), value) : Tags.empty();
	}

}
