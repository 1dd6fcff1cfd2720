package io.multidb.discovery;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;
import io.multidb.source.JdbcUrl;
import io.multidb.source.DaemonThreads;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;

/**
 * Keeps the registry as all {@link SourceProvider}s together have it: what they add,
 * change and take away becomes additions, replacements and removals, which drain. What is
 * declared goes before them, and of two providers the earlier one before the later.
 * <p>
 * Thread-safe. One thread of its own compares and decides, so that what it has applied is
 * known to it alone and needs no lock; providers, listeners of source events and callers
 * only leave names for it. A source that is open is replaced by opening it anew, which
 * may wait for a server: that is done by the threads of {@link Replacements}. All threads
 * live for a few seconds after the last change.
 */
public final class ProvidedSources implements AutoCloseable {

	private static final Logger logger = LoggerFactory.getLogger(ProvidedSources.class);

	private static final Duration KEEP_ALIVE = Duration.ofSeconds(2);

	/** How long definitions are waited for that are being applied, which takes none. */
	private static final Duration KEPT_OUT = Duration.ofSeconds(5);

	private static final Duration SHUTDOWN_NOTICED = Duration.ofMillis(100);

	/** Names in one line of the log. */
	private static final int NAMED = 10;

	/** Problems of one look that get a line each. */
	private static final int TOLD = 20;

	private final SourceRegistry registry;

	private final List<SourceProvider> providers;

	private final ScheduledThreadPoolExecutor worker;

	/** The worker's alone, save for who asks whether it is by himself. */
	private final Replacements replacements;

	/** What this has put into the registry; the worker's alone. */
	private final Map<String, SourceDefinition> applied = new HashMap<>();

	/** Who waits for a replacement to end; the worker's alone. */
	private final Map<String, List<CompletableFuture<Boolean>>> waiting = new HashMap<>();

	/** The worker's thread, whose listeners must not wait for it. */
	private volatile @Nullable Thread working;

	/**
	 * Whether a provider failed when it was asked, so that everything is looked at next
	 * time; the worker's alone.
	 */
	private boolean partly;

	/** Why definitions are not, or not yet, applied; written by the worker alone. */
	private final Map<String, String> problems = new ConcurrentHashMap<>();

	/** What no provider defines any more, by name. */
	private final Set<String> keptOut = ConcurrentHashMap.newKeySet();

	/** Names whose second definition was told; the worker's alone. */
	private final Set<String> twice = new HashSet<>();

	/** Changed by the worker alone: those that were read and applied at least once. */
	private final Set<SourceProvider> known = ConcurrentHashMap.newKeySet();

	/**
	 * Creates it; nothing is read or started.
	 * @param registry the sources
	 * @param providers who defines sources, in the order in which they go before each
	 * other
	 */
	public ProvidedSources(SourceRegistry registry, Collection<SourceProvider> providers) {
		this.registry = registry;
		this.providers = List.copyOf(providers);
		this.worker = new ScheduledThreadPoolExecutor(1, DaemonThreads.named("multidb-discovery"));
		this.worker.setKeepAliveTime(KEEP_ALIVE.toMillis(), TimeUnit.MILLISECONDS);
		this.worker.allowCoreThreadTimeOut(true);
		this.worker.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
		this.worker.setRemoveOnCancelPolicy(true);
		this.replacements = new Replacements(registry, this.worker, KEEP_ALIVE,
				(ended) -> submit(() -> replaced(ended), () -> {
				}), (name) -> changed(Set.of(name)));
		if (!this.providers.isEmpty()) {
			registry.explainAbsences(this::whyAbsent);
		}
	}

	/**
	 * Begins to listen to the providers, and applies what they have now. To be called
	 * once.
	 * @param timeout how long to wait for that; it goes on behind it
	 */
	public void start(Duration timeout) {
		if (this.providers.isEmpty()) {
			return;
		}
		this.providers.forEach((provider) -> provider.onChange(this::changed));
		await(look(Set.of()), timeout);
	}

	/**
	 * Looks at definitions again, because they or what stood in their way may have
	 * changed.
	 * @param names the names, or an empty set for all
	 */
	public void changed(Set<String> names) {
		CompletableFuture<Void> unused = look(names);
	}

	/**
	 * Looks again at definitions that were refused: a source was removed by others, which
	 * may have stood in their way.
	 */
	public void retryRefused() {
		if (!this.problems.isEmpty()) {
			changed(Set.copyOf(this.problems.keySet()));
		}
	}

	/**
	 * Has no provider define a source of a name any more, as long as this process runs:
	 * somebody removes the one that is there, and neither is it to come back with the
	 * next change, nor is a definition to take its place that was refused because of it.
	 * The name is unknown then. To be called before it is removed.
	 * @param name the name
	 * @return whether it is kept out; {@code false}, and nothing has changed, if for 5 s
	 * definitions have been applied that were decided on before
	 */
	public boolean keepOut(String name) {
		if (this.providers.isEmpty() || this.keptOut.contains(name)) {
			this.keptOut.add(name);
			return true;
		}
		CompletableFuture<Void> done = new CompletableFuture<>();
		// What was decided before is done then.
		submit(() -> {
			boolean added = this.keptOut.add(name);
			if (!done.complete(null) && added) {
				this.keptOut.remove(name);
			}
		}, () -> done.complete(null));
		return await(done, KEPT_OUT) || !done.cancel(false);
	}

	/**
	 * Whether providers define no source of a name any more.
	 * @param name the name
	 * @return whether it is kept out
	 */
	public boolean isKeptOut(String name) {
		return this.keptOut.contains(name);
	}

	/**
	 * Waits until everything that providers told before this call has been applied, save
	 * for sources that are being opened anew, which may wait for a server.
	 * @param timeout how long to wait at most
	 * @return whether it has; {@code false} at once where that would wait for the very
	 * thread that calls, as of a listener that is told of an addition, and when the
	 * application ends
	 */
	public boolean awaitApplied(Duration timeout) {
		CompletableFuture<Boolean> applied = new CompletableFuture<>();
		submit(() -> applied.complete(!this.partly), () -> applied.complete(false));
		return await(applied, timeout) && applied.join();
	}

	/**
	 * Waits until everything that providers told before this call has been applied, and
	 * if one source is being opened anew for that, until it serves as it is defined.
	 * @param name the source's name
	 * @param timeout how long to wait at most
	 * @return whether it has; {@code false} also if it could not be opened, and serves as
	 * before, and at once as with {@link #awaitApplied(Duration)}
	 */
	public boolean awaitApplied(String name, Duration timeout) {
		if (this.replacements.isByCaller(name)) {
			return false;
		}
		CompletableFuture<Boolean> applied = new CompletableFuture<>();
		submit(() -> {
			this.waiting.computeIfAbsent(name, (waiting) -> new ArrayList<>()).add(applied);
			answer();
		}, () -> applied.complete(false));
		return await(applied, timeout) && applied.join();
	}

	/**
	 * Why definitions of providers are not in use, by the sources' names.
	 * @return a snapshot, without secrets; empty if all are
	 */
	public Map<String, String> problems() {
		return Map.copyOf(this.problems);
	}

	private boolean await(CompletableFuture<?> done, Duration timeout) {
		long left = Thread.currentThread().equals(this.working) ? 0 : timeout.toNanos();
		long end = System.nanoTime() + left;
		try {
			// What would complete it is not done any more once the application ends.
			while (!done.isDone() && left > 0 && !this.worker.isShutdown()) {
				try {
					done.get(Math.min(left, SHUTDOWN_NOTICED.toNanos()), TimeUnit.NANOSECONDS);
				}
				catch (TimeoutException ex) {
					left = end - System.nanoTime();
				}
			}
		}
		catch (ExecutionException ex) {
			throw new IllegalStateException(ex);
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
		return done.isDone();
	}

	private CompletableFuture<Void> look(Set<String> names) {
		CompletableFuture<Void> done = new CompletableFuture<>();
		submit(() -> {
			try {
				tryApply(names);
			}
			finally {
				answer();
				done.complete(null);
			}
		}, () -> done.complete(null));
		return done;
	}

	/** Has the worker do something, or else, as the application ends, what is given. */
	private void submit(Runnable task, Runnable ended) {
		try {
			this.worker.execute(() -> {
				this.working = Thread.currentThread();
				task.run();
			});
		}
		catch (RejectedExecutionException ex) {
			ended.run();
		}
	}

	/** Called by any thread, for names that the registry does not have. */
	private @Nullable String whyAbsent(String name) {
		if (this.keptOut.contains(name)) {
			return null;
		}
		String problem = this.problems.get(name);
		if (problem != null) {
			return problem;
		}
		for (SourceProvider provider : this.providers) {
			String reason = provider.problem(name);
			if (reason != null) {
				return provider.name() + " has it, but " + reason;
			}
			if (!this.known.contains(provider)) {
				return provider.name() + " could not be read yet, so it is not known whether there is such a source.";
			}
		}
		return null;
	}

	/** What is to be done in one look. */
	private static final class Changes {

		/** In order, so that every node refuses the same one of two that conflict. */
		private final Map<String, SourceDefinition> additions = new TreeMap<>();

		private final List<String> removals = new ArrayList<>();

		private final Map<String, SourceDefinition> replacements = new TreeMap<>();

	}

	private void tryApply(Set<String> names) {
		try {
			apply(names);
		}
		catch (RuntimeException | LinkageError | AssertionError ex) {
			logger.error("Definitions of sources could not be applied; the next change tries again", JdbcUrl.mask(ex));
		}
	}

	private void apply(Set<String> wanted) {
		boolean all = wanted.isEmpty() || this.partly;
		this.partly = true;
		List<SourceProvider> read = new ArrayList<>();
		List<Map<String, SourceDefinition>> definitions = new ArrayList<>();
		for (SourceProvider provider : this.providers) {
			Map<String, SourceDefinition> some = provider.definitions();
			if (some != null) {
				read.add(provider);
				definitions.add(some);
			}
		}
		Set<String> names = wanted;
		if (all || !this.known.containsAll(read)) {
			names = new LinkedHashSet<>(this.applied.keySet());
			names.addAll(this.problems.keySet());
			for (Map<String, SourceDefinition> some : definitions) {
				names.addAll(some.keySet());
			}
		}
		Changes changes = new Changes();
		names.forEach((name) -> decide(name, first(name, definitions), changes));
		remove(changes.removals);
		if (!changes.removals.isEmpty()) {
			// What stood in their way may be gone.
			for (String name : Set.copyOf(this.problems.keySet())) {
				if (!changes.additions.containsKey(name)) {
					decide(name, first(name, definitions), changes);
				}
			}
		}
		add(changes.additions, read);
		changes.replacements.forEach(this::replace);
		tell(changes);
		this.known.addAll(read);
		sayWhatIsDefinedTwice(names, read, definitions);
		this.partly = false;
	}

	private static @Nullable SourceDefinition first(String name, List<Map<String, SourceDefinition>> definitions) {
		for (Map<String, SourceDefinition> some : definitions) {
			SourceDefinition definition = some.get(name);
			if (definition != null) {
				return definition;
			}
		}
		return null;
	}

	private void decide(String name, @Nullable SourceDefinition definition, Changes changes) {
		if (this.keptOut.contains(name)) {
			this.applied.remove(name);
			this.problems.remove(name);
			this.replacements.forgetFailures(name);
			return;
		}
		SourceDefinition current = this.applied.get(name);
		if (this.replacements.running(name) != null) {
			this.replacements.lookAgain(name);
			if (definition == null) {
				this.problems.remove(name);
				if (current != null) {
					// Its server may be waited for, and it is to be used no more.
					changes.removals.add(name);
				}
			}
			else if (current == null) {
				this.problems.put(name, "the one that had this name before is still being opened.");
			}
			return;
		}
		if (definition == null) {
			this.problems.remove(name);
			this.replacements.forgetFailures(name);
			if (current != null) {
				changes.removals.add(name);
			}
		}
		else if (current == null) {
			changes.additions.put(name, definition);
		}
		else if (!current.equals(definition)) {
			changes.replacements.put(name, definition);
		}
		else {
			this.problems.remove(name);
			this.replacements.forgetFailures(name);
		}
	}

	private void remove(List<String> names) {
		// One that was removed by others, and perhaps added again, is not ours any more.
		List<String> ours = names.stream().filter((name) -> isOurs(name)).toList();
		names.forEach(this.applied::remove);
		names.forEach(this.replacements::forgetFailures);
		this.registry.removeAll(ours);
	}

	private boolean isOurs(String name) {
		Source source = this.registry.find(name);
		return source != null
				&& (hasOrigin(this.applied.get(name), source) || hasOrigin(this.replacements.running(name), source));
	}

	private static boolean hasOrigin(@Nullable SourceDefinition definition, Source source) {
		return definition != null && source.definition().origin().equals(definition.origin());
	}

	private void add(Map<String, SourceDefinition> additions, List<SourceProvider> read) {
		if (additions.isEmpty()) {
			return;
		}
		Map<String, List<String>> refused = this.registry.addAll(additions.values());
		additions.forEach((name, definition) -> {
			if (!refused.containsKey(name)) {
				this.applied.put(name, definition);
				this.problems.remove(name);
			}
		});
		additions.keySet().removeAll(refused.keySet());
		int told = 0;
		for (Map.Entry<String, List<String>> each : refused.entrySet()) {
			String name = each.getKey();
			Source other = this.registry.find(name);
			String origin = origin(name, read);
			String problem = (other != null)
					? "the source of this name from " + other.definition().origin() + " goes before it."
					: String.join(" ", each.getValue()).replaceAll("\\p{Cntrl}", "?");
			if (!problem.equals(this.problems.put(name, problem)) && ++told <= TOLD) {
				logger.warn("{}: its definition from {} is not used: {}", printable(name), origin, problem);
			}
		}
		if (told > TOLD) {
			logger.warn("{} more definitions of sources are not used", told - TOLD);
		}
	}

	private static String origin(String name, List<SourceProvider> read) {
		for (SourceProvider provider : read) {
			Map<String, SourceDefinition> some = provider.definitions();
			SourceDefinition definition = (some != null) ? some.get(name) : null;
			if (definition != null) {
				return definition.origin();
			}
		}
		return "a provider";
	}

	/** Names come from outside, and must not begin a line of their own. */
	private static String printable(String name) {
		return name.replaceAll("[^\\x20-\\x7e]", "?").substring(0, Math.min(name.length(), 64));
	}

	private void replace(String name, SourceDefinition definition) {
		if (this.replacements.hasFailed(name) && !this.replacements.hasFailed(name, definition)) {
			// It is of another definition.
			this.problems.remove(name);
		}
		this.replacements.begin(name, definition);
	}

	private void replaced(Replacements.Ended ended) {
		String name = ended.name();
		RuntimeException failure = ended.failure();
		boolean changed = this.replacements.end(name);
		if (!this.applied.containsKey(name)) {
			// Taken out of use meanwhile.
			changed = true;
			lookAtRefused();
		}
		else if (failure == null) {
			this.applied.put(name, ended.definition());
			this.problems.remove(name);
			if (this.replacements.forgetFailures(name)) {
				logger.info("{}: its definition from {} is used now", printable(name), ended.definition().origin());
			}
			lookAtRefused();
		}
		else if (failure instanceof UnknownSourceException) {
			// Removed by others meanwhile: defined anew now.
			this.applied.remove(name);
			this.replacements.forgetFailures(name);
			changed = true;
		}
		else {
			notReplaced(name, ended.definition(), failure);
		}
		try {
			if (changed) {
				tryApply(Set.of(name));
			}
		}
		finally {
			answer();
		}
	}

	private void notReplaced(String name, SourceDefinition definition, RuntimeException failure) {
		String problem = definition.masked(String.valueOf(failure.getMessage()));
		if (!problem.equals(this.problems.put(name, problem))) {
			logger.warn("{}: its definition from {} is not used yet: {}", name, definition.origin(), problem);
		}
		// No time mends a conflict; it is looked at when something is removed.
		boolean retried = !(failure instanceof InvalidDatasourcesException);
		if (retried && !(failure instanceof SourceUnavailableException)) {
			logger.error("{}: it could not be replaced", name, definition.masked(failure));
		}
		this.replacements.failed(name, definition, retried);
	}

	/** It has given up a database that one of them may want. */
	private void lookAtRefused() {
		Set<String> refused = new HashSet<>(this.problems.keySet());
		if (!refused.isEmpty()) {
			changed(refused);
		}
	}

	/** Tells those who wait for nothing any more what has become of it. */
	private void answer() {
		this.waiting.entrySet().removeIf((each) -> {
			String name = each.getKey();
			if (isPending(name)) {
				return false;
			}
			boolean applied = !this.partly && !this.replacements.hasFailed(name);
			each.getValue().forEach((who) -> who.complete(applied));
			return true;
		});
	}

	/** Not where it is out of use, whatever still waits for its server. */
	private boolean isPending(String name) {
		return this.replacements.running(name) != null
				&& (this.applied.containsKey(name) || this.problems.containsKey(name));
	}

	private void sayWhatIsDefinedTwice(Set<String> names, List<SourceProvider> read,
			List<Map<String, SourceDefinition>> definitions) {
		if (read.size() < 2) {
			return;
		}
		for (String name : names) {
			SourceDefinition used = null;
			for (Map<String, SourceDefinition> some : definitions) {
				SourceDefinition definition = some.get(name);
				if (definition != null && used != null && this.twice.add(name)) {
					logger.warn("{}: defined by {} and by {}; the first is used", printable(name), used.origin(),
							definition.origin());
				}
				used = (used != null) ? used : definition;
			}
		}
	}

	private void tell(Changes changes) {
		List<String> parts = new ArrayList<>();
		part("added", changes.additions.keySet(), parts);
		// Of what is only tried again, it is told when it has succeeded.
		part("changed",
				changes.replacements.keySet()
					.stream()
					.filter((name) -> !this.replacements.hasFailed(name, changes.replacements.get(name)))
					.toList(),
				parts);
		part("removed", changes.removals, parts);
		if (!parts.isEmpty()) {
			logger.info("Sources {}", String.join("; ", parts));
		}
	}

	private static void part(String what, Collection<String> names, List<String> parts) {
		if (!names.isEmpty()) {
			parts.add(what + ": " + names.size() + " ("
					+ String.join(", ", names.stream().limit(NAMED).map(ProvidedSources::printable).toList())
					+ ((names.size() > NAMED) ? ", …" : "") + ")");
		}
	}

	/**
	 * Ends its threads, and waiting for them; what they are doing is ended with the
	 * registry.
	 */
	@Override
	public void close() {
		this.worker.shutdownNow();
		this.replacements.close();
	}

}
