package io.multidb.actuate;

import java.util.Locale;
import java.util.function.Supplier;

import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationRegistry;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.beans.factory.SmartInitializingSingleton;

import io.multidb.TenantContext;
import io.multidb.source.DatabaseProduct;
import io.multidb.source.JdbcUrl;
import io.multidb.source.Watch;

/**
 * Makes {@link DatasourcesObservation observations} of work on sources. Thread-safe.
 */
public final class ObservedWork implements Watch, SmartInitializingSingleton {

	private static final Logger logger = LoggerFactory.getLogger(ObservedWork.class);

	private final Supplier<ObservationRegistry> registry;

	/**
	 * Creates it.
	 * @param registry gives the registry, when something begins; the sources may be
	 * needed to make it
	 */
	public ObservedWork(Supplier<ObservationRegistry> registry) {
		this.registry = registry;
	}

	/** That there are several and none is meant fails the start, and not each piece. */
	@Override
	public void afterSingletonsInstantiated() {
		ObservationRegistry unused = this.registry.get();
	}

	@Override
	public Watched begin(Activity activity, @Nullable String source, @Nullable DatabaseProduct product) {
		try {
			ObservationRegistry observations = this.registry.get();
			if (observations.isNoop()) {
				return Watched.NONE;
			}
			return begin(observation(observations, activity, source, product), observations);
		}
		catch (RuntimeException | LinkageError | AssertionError ex) {
			failed(ex);
			return Watched.NONE;
		}
	}

	private static Observation observation(ObservationRegistry observations, Activity activity, @Nullable String source,
			@Nullable DatabaseProduct product) {
		DatasourcesObservation kind = DatasourcesObservation.of(activity);
		Observation observation = kind.observation(observations);
		if (kind.getLowCardinalityKeyNames().length > 1) {
			observation.lowCardinalityKeyValue(DatasourcesObservation.Key.PRODUCT.asString(),
					(product != null) ? product.name().toLowerCase(Locale.ROOT) : "none");
		}
		if (source != null) {
			observation.highCardinalityKeyValue(DatasourcesObservation.HighKey.SOURCE.asString(), source);
		}
		String tenant = TenantContext.current();
		if (tenant != null) {
			observation.highCardinalityKeyValue(DatasourcesObservation.HighKey.TENANT.asString(), tenant);
		}
		return observation;
	}

	private static Watched begin(Observation observation, ObservationRegistry observations) {
		Observation.Scope before = observations.getCurrentObservationScope();
		Observation.Scope scope;
		try {
			scope = observation.start().openScope();
		}
		catch (Throwable ex) {
			observations.setCurrentObservationScope(before);
			throw ex;
		}
		return (outcome, failure) -> {
			try (scope) {
				observation.lowCardinalityKeyValue(DatasourcesObservation.Key.OUTCOME.asString(), outcome);
				if (failure != null) {
					// What works on many sources does not know whose secrets it may tell.
					observation.error(JdbcUrl.mask(failure));
				}
			}
			catch (RuntimeException | LinkageError | AssertionError ex) {
				observations.setCurrentObservationScope(before);
				failed(ex);
			}
			try {
				observation.stop();
			}
			catch (RuntimeException | LinkageError | AssertionError ex) {
				failed(ex);
			}
		};
	}

	/** What is watched must not fail for it. */
	private static void failed(Throwable ex) {
		logger.warn("An observation could not be made", ex);
	}

}
