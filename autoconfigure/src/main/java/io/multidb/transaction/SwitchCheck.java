package io.multidb.transaction;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;

import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.datasource.ConnectionHolder;
import org.springframework.transaction.support.TransactionSynchronizationManager;

import io.multidb.MultiDbException;
import io.multidb.SourceSwitchException;
import io.multidb.SwitchGuard;
import io.multidb.Target;
import io.multidb.routing.Routes;
import io.multidb.routing.TargetAccess;
import io.multidb.source.Source;

/**
 * Refuses to switch a thread to another source while a transaction or session of the
 * router is open on it. Without this check, what belongs to the new source would be
 * written in the old one's transaction: a session writes its changes only when it is
 * flushed, long after the scope in which they were made.
 * <p>
 * What belongs to other DataSources does not count, and neither does a switch between
 * tenants of one source. Thread-safe; keeps nothing but what it was made with.
 */
public final class SwitchCheck implements SwitchGuard, AutoCloseable {

	private final Routes routes;

	private final Function<Target, Source> sources;

	private final BoundResourceReader connections;

	private final Supplier<List<BoundResourceReader>> others;

	private final Suspension.Kept kept = new Kept();

	private final Registration registration;

	/**
	 * Creates the check and puts it in force until it is closed.
	 * @param routes where targets lead; the transactions of routers that go these ways
	 * count
	 * @param access the rules that those ask, or {@code null} if everybody may use every
	 * source
	 * @param others recognise what is bound besides its connections, such as sessions;
	 * asked for when something is bound
	 */
	public SwitchCheck(Routes routes, @Nullable TargetAccess access, Supplier<List<BoundResourceReader>> others) {
		this.routes = routes;
		this.sources = (access != null) ? access::resolve : routes::resolve;
		this.connections = new BoundConnectionReader(routes);
		this.others = others;
		this.registration = SwitchGuard.register(this);
	}

	@Override
	public void check(Target from, Target to, boolean leaving) {
		Map<Object, Object> resources = TransactionSynchronizationManager.getResourceMap();
		if (!resources.isEmpty() && !this.routes.isSame(from, to)) {
			check(new Switch(from, to, leaving), resources);
		}
	}

	private void check(Switch change, Map<Object, Object> resources) {
		Map<Object, BoundResource> bound = bound(resources);
		if (bound.isEmpty()) {
			return;
		}
		Source source = null;
		MultiDbException failure = null;
		try {
			source = this.sources.apply(change.to());
		}
		catch (MultiDbException ex) {
			failure = ex;
		}
		for (BoundResource obstacle : obstacles(bound, resources, source)) {
			if (!change.leaving() || !mayOutlast(obstacle)) {
				throw change.refused(obstacle, source, failure);
			}
		}
	}

	/**
	 * Whether something open may outlast the scope it was opened in: what Spring keeps
	 * where no transaction is active, and what is left of a source that was removed.
	 */
	private static boolean mayOutlast(BoundResource resource) {
		Source source = resource.source();
		return !TransactionSynchronizationManager.isActualTransactionActive() || source == null || source.isGone();
	}

	/**
	 * What keeps the thread from working on a source; idle connections are given back and
	 * do not.
	 */
	private static Collection<BoundResource> obstacles(Map<Object, BoundResource> bound, Map<Object, Object> resources,
			@Nullable Source source) {
		Map<Object, BoundResource> obstacles = new LinkedHashMap<>(bound);
		obstacles.values().removeIf((each) -> each.source() != null && each.source() == source);
		List<ConnectionHolder> others = new ArrayList<>();
		resources.forEach((key, resource) -> {
			if (!bound.containsKey(key) && resource instanceof ConnectionHolder holder) {
				others.add(holder);
			}
		});
		// A connection that another holds is idle only when the other has been given
		// back.
		boolean released = true;
		while (released) {
			released = obstacles.keySet().removeIf((key) -> IdleConnection.release(key, resources.get(key), others));
		}
		return obstacles.values();
	}

	/** What is bound to the thread and of the router. */
	private Map<Object, BoundResource> bound(Map<Object, Object> resources) {
		Map<Object, BoundResource> bound = new LinkedHashMap<>();
		resources.forEach((key, resource) -> {
			BoundResource found = read(key, resource);
			if (found != null) {
				bound.put(key, found);
			}
		});
		return bound;
	}

	private @Nullable BoundResource read(Object key, Object resource) {
		BoundResource found = this.connections.read(key, resource);
		for (BoundResourceReader other : this.others.get()) {
			found = (found != null) ? found : other.read(key, resource);
		}
		return found;
	}

	/**
	 * Sets aside what is open, if entering a target would be refused because of it.
	 * @param to the target to be entered
	 * @return puts it back, or {@code null} when nothing was in the way
	 */
	@Nullable Suspension suspendFor(Target to) {
		Map<Object, Object> resources = TransactionSynchronizationManager.getResourceMap();
		Target from = Target.current();
		if (resources.isEmpty() || this.routes.isSame(from, to)) {
			return null;
		}
		Map<Object, BoundResource> bound = bound(resources);
		if (bound.isEmpty()) {
			return null;
		}
		boolean free = obstacles(bound, resources, this.sources.apply(to)).isEmpty();
		return free ? null : Suspension.begin(this.kept);
	}

	/**
	 * Ends the check: the router is closed.
	 */
	@Override
	public void close() {
		this.registration.close();
	}

	/** What of the router is kept for a thread. */
	private final class Kept implements Suspension.Kept {

		@Override
		public boolean contains(Object key, Object resource) {
			return read(key, resource) != null;
		}

		@Override
		public void discard(Object resource) {
			SwitchCheck.this.connections.discard(resource);
			SwitchCheck.this.others.get().forEach((other) -> other.discard(resource));
		}

	}

	/** A change of target, and how it is refused. */
	private record Switch(Target from, Target to, boolean leaving) {

		SourceSwitchException refused(BoundResource bound, @Nullable Source source, @Nullable MultiDbException why) {
			String open = bound.what() + " of " + ((bound.source() != null)
					? "source '" + bound.source().name() + "'" + (bound.source().isGone() ? ", since removed," : "")
					: this.from.toString());
			String where = this.to + ((source != null) ? " (source '" + source.name() + "')" : "");
			String message = this.leaving
					? "The scope of " + this.from + " ended while " + open + ", begun in it, was still open. The"
							+ " scope has ended and the thread is back at " + where + ". Finish what a scope began"
							+ " before it ends."
					: "Cannot switch from " + this.from + " to " + where + " while " + open + " is open on thread '"
							+ Thread.currentThread().getName() + "': it would take the new work into the old database."
							+ " Finish it first; or run the work in a @Tenant method that is REQUIRES_NEW or"
							+ " NOT_SUPPORTED, or has transaction = SUSPEND; or, in code, in a TransactionTemplate with"
							+ " PROPAGATION_NOT_SUPPORTED around the scope. Only the @Tenant method suspends a session"
							+ " that is open for the whole request (spring.jpa.open-in-view).";
			return new SourceSwitchException((bound.source() != null) ? bound.source().name() : null, message, why);
		}

	}

}
