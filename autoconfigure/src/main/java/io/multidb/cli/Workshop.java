package io.multidb.cli;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Supplier;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

import io.multidb.InvalidDatasourcesException;
import io.multidb.MultiDbException;
import io.multidb.SourceUnavailableException;
import io.multidb.catalog.CatalogContents;
import io.multidb.catalog.CatalogSettings;
import io.multidb.source.CallerSession;
import io.multidb.source.DaemonThreads;
import io.multidb.source.JdbcUrl;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceEvent;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceTemplate;

/**
 * What all commands have in common: the sources, and working on several at a time. Used
 * by one command in one thread; what that has done by others is over when it is closed.
 */
final class Workshop implements AutoCloseable {

	/** So long what has begun may take after the process was told to end. */
	private static final int GRACE_SECONDS = 5;

	private final Supplier<Configured> configuration;

	private final SourceMigrator migrator;

	private final BiFunction<String, Collection<String>, String> suggestion;

	private final PrintStream out;

	private final PrintStream err;

	private final boolean terminal;

	/** What is wrong with the catalog, by the names of its rows. */
	private final Map<String, String> problems = new TreeMap<>();

	/** Where what is declared was found, by the names of rows that it goes before. */
	private final Map<String, String> covered = new TreeMap<>();

	/** What was last migrated or created, by source. */
	private final Map<String, SourceEvent> events = new ConcurrentHashMap<>();

	private final CountDownLatch closed = new CountDownLatch(1);

	private final Thread hook = new Thread(this::interrupted, "multidb-command-interrupted");

	private @Nullable Configured configured;

	/** Whether the command is about all sources. */
	private boolean all;

	private volatile @Nullable SourceRegistry registry;

	private volatile boolean stopping;

	Workshop(Supplier<Configured> configuration, SourceMigrator migrator,
			BiFunction<String, Collection<String>, String> suggestion, PrintStream out, PrintStream err,
			boolean terminal) {
		this.configuration = configuration;
		this.migrator = migrator;
		this.suggestion = suggestion;
		this.out = out;
		this.err = err;
		this.terminal = terminal;
	}

	PrintStream out() {
		return this.out;
	}

	SourceMigrator migrator() {
		return this.migrator;
	}

	Configured configured() {
		Configured found = this.configured;
		if (found == null) {
			found = this.configuration.get();
			this.configured = found;
		}
		return found;
	}

	/** The sources; nothing of them is opened by asking. */
	SourceRegistry registry() {
		SourceRegistry made = this.registry;
		if (made == null) {
			Configured found = configured();
			made = new SourceRegistry(found.sources(), found.templates(), this.migrator, this::remember,
					CallerSession.NONE, found.limits());
			this.registry = made;
			Runtime.getRuntime().addShutdownHook(this.hook);
			if (found.catalog() != null) {
				addCatalog(found.catalog(), made);
			}
		}
		return made;
	}

	/** What is declared goes before the catalog. */
	private void addCatalog(CatalogSettings catalog, SourceRegistry sources) {
		try {
			CatalogContents contents = CatalogContents.read(catalog, sources);
			this.problems.putAll(contents.refused());
			for (SourceDefinition definition : contents.definitions()) {
				Source declared = sources.find(definition.name());
				if (declared != null) {
					this.covered.put(definition.name(), declared.definition().origin());
					continue;
				}
				try {
					sources.add(definition);
				}
				catch (InvalidDatasourcesException ex) {
					this.problems.put(definition.name(), String.valueOf(ex.getMessage()));
				}
			}
		}
		catch (SourceUnavailableException ex) {
			this.problems.put(catalog.source(), "The catalog cannot be read: " + ex.getMessage());
		}
	}

	private void remember(SourceEvent event) {
		if (event instanceof SourceEvent.Migrated || event instanceof SourceEvent.Created) {
			this.events.put(event.source(), event);
		}
	}

	/** What was done to a source: migrated, or created; {@code null} for nothing. */
	@Nullable SourceEvent done(String source) {
		return this.events.get(source);
	}

	/**
	 * The names of the sources a command is about.
	 * @param choice what was said; {@code null} if nothing was, which is for all
	 * @throws ParameterException if there is no such source; nothing has been done then
	 */
	Set<String> names(@Nullable Choice choice, CommandLine command) {
		Set<String> declared = new LinkedHashSet<>();
		registry().sources().forEach((source) -> declared.add(source.name()));
		this.all = choice == null || choice.names == null;
		if (choice == null || choice.names == null) {
			this.problems.forEach((name, problem) -> this.err.println("catalog, " + name + ": " + problem));
			tellOfCovered(declared);
			return declared;
		}
		for (String name : choice.names) {
			if (registry().isTemplate(name)) {
				throw new ParameterException(command,
						"'" + name + "' is a template: name tenants of it, by the pattern '" + pattern(name) + "'.");
			}
			if (!declared.contains(name) && !isOfTemplate(name)) {
				Set<String> known = new TreeSet<>(declared);
				configured().templates().forEach((template) -> known.add(template.names().toString()));
				throw new ParameterException(command, "There is no source '" + name + "'." + (this.problems.isEmpty()
						? this.suggestion.apply(name, known) : " In the catalog: " + this.problems));
			}
		}
		Set<String> chosen = new LinkedHashSet<>(choice.names);
		tellOfCovered(chosen);
		return chosen;
	}

	/** It is no failure, as the application works so, too. */
	private void tellOfCovered(Set<String> names) {
		this.covered.forEach((name, origin) -> {
			if (names.contains(name)) {
				this.err.println("catalog, " + name + ": the source of this name from " + origin + " goes before it.");
			}
		});
	}

	private boolean isOfTemplate(String name) {
		return configured().templates().stream().anyMatch((template) -> template.names().matches(name));
	}

	private String pattern(String template) {
		return configured().templates()
			.stream()
			.filter((each) -> each.name().equals(template))
			.map(SourceTemplate::names)
			.findFirst()
			.map(Object::toString)
			.orElse("");
	}

	boolean isDeclared(String name) {
		Source source = registry().find(name);
		return source != null && source.definition().template() == null;
	}

	/**
	 * Does something with several sources, prints what became of each, and in the end of
	 * all.
	 * @return the exit code
	 */
	int forEach(Set<String> names, Function<String, Outcome> work) {
		int width = names.stream().mapToInt(String::length).max().orElse(0);
		List<Outcome> outcomes = run(names, work, (name, failure) -> Outcome.failed(name, failure),
				(outcome, progress) -> progress.done(
						outcome.name() + " ".repeat(width - outcome.name().length() + 2) + outcome.text(),
						outcome.failed()));
		long failed = outcomes.stream().filter(Outcome::failed).count();
		if (names.size() != 1) {
			this.out.println(names.size() + " sources, " + failed + " failed");
		}
		return (failed == 0 && !(this.all && !this.problems.isEmpty())) ? CommandLine.ExitCode.OK
				: CommandLine.ExitCode.SOFTWARE;
	}

	/**
	 * Does something with several sources, as many at a time as are migrated at a time.
	 * @param work what is done
	 * @param failure makes a result of a reason
	 * @param printer is given one result after another
	 * @return the results, one for each name
	 */
	<T> List<T> run(Set<String> names, Function<String, T> work, BiFunction<String, String, T> failure,
			BiConsumer<T, Progress> printer) {
		List<T> results = new ArrayList<>();
		CountDownLatch pending = new CountDownLatch(names.size());
		ExecutorService workers = Executors.newFixedThreadPool(
				Math.max(1, Math.min(configured().parallelism(), names.size())),
				DaemonThreads.numbered("multidb-command-"));
		try (Progress progress = new Progress(this.out, this.terminal, names.size())) {
			for (String name : names) {
				workers.execute(() -> {
					try {
						T result = one(name, work, failure);
						synchronized (results) {
							results.add(result);
							printer.accept(result, progress);
						}
					}
					finally {
						pending.countDown();
					}
				});
			}
			pending.await();
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new IllegalStateException("Interrupted", ex);
		}
		finally {
			workers.shutdownNow();
		}
		synchronized (results) {
			return List.copyOf(results);
		}
	}

	private <T> T one(String name, Function<String, T> work, BiFunction<String, String, T> failure) {
		if (this.stopping) {
			return failure.apply(name, "Not begun, as the command was interrupted.");
		}
		try {
			return work.apply(name);
		}
		catch (MultiDbException ex) {
			return failure.apply(name, String.valueOf(ex.getMessage()));
		}
		catch (Throwable ex) {
			return failure.apply(name, JdbcUrl.mask(ex.toString()));
		}
	}

	/**
	 * The process is told to end: nothing more is begun, and what has begun may still
	 * become ready.
	 */
	private void interrupted() {
		this.stopping = true;
		try {
			if (!this.closed.await(GRACE_SECONDS, TimeUnit.SECONDS)) {
				closeRegistry();
				this.closed.await(GRACE_SECONDS, TimeUnit.SECONDS);
			}
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

	private void closeRegistry() {
		SourceRegistry made = this.registry;
		if (made != null) {
			made.close();
		}
	}

	@Override
	public void close() {
		closeRegistry();
		this.out.flush();
		this.closed.countDown();
		if (this.registry != null && !this.stopping) {
			try {
				Runtime.getRuntime().removeShutdownHook(this.hook);
			}
			catch (IllegalStateException ex) {
				// The process is ending.
			}
		}
	}

}
