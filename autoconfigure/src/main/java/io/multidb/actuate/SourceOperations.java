package io.multidb.actuate;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.boot.actuate.audit.AuditEvent;

import io.multidb.InvalidDatasourcesException;
import io.multidb.InvalidTenantException;
import io.multidb.SourceUnavailableException;
import io.multidb.UnknownSourceException;
import io.multidb.actuate.OperationDescriptor.MigrationsRunDescriptor;
import io.multidb.catalog.Catalog;
import io.multidb.catalog.CatalogSource;
import io.multidb.catalog.UrlRules;
import io.multidb.routing.TenantMappings;
import io.multidb.source.JdbcUrl;
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.MigrationState;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;

/**
 * What an operator may do to sources and mappings while the application runs. Each
 * operation says what it has done, is in the log, and is an audit event, also if it
 * failed. Where there is a catalog, what is added or changed is kept there, for all
 * nodes; otherwise it holds for this process.
 * <p>
 * URLs must pass the rules for those of a catalog: whoever may call this could otherwise
 * have a driver load a class or read a file. Credentials are taken and never given back.
 * <p>
 * Thread-safe. What fails is thrown as the library's own exceptions, or as an
 * {@link IllegalArgumentException} if the request is wrong; {@link Problem} tells them
 * apart.
 */
public final class SourceOperations implements AutoCloseable {

	/** The type of the audit events. */
	public static final String AUDIT_TYPE = "DATASOURCE_OPERATION";

	private static final Logger logger = LoggerFactory.getLogger(SourceOperations.class);

	private static final int THREADS = 4;

	private static final Duration KEEP_ALIVE = Duration.ofSeconds(2);

	private static final Pattern USER_IN_URL = Pattern.compile("(?i)(//[^/?#]*@|[?&;(]user(name)?=)");

	private final SourceRegistry registry;

	private final TenantMappings mappings;

	private final @Nullable Catalog catalog;

	private final Settings settings;

	private final SourceMigrator migrator;

	private final Supplier<Map<String, String>> problems;

	private final Consumer<AuditEvent> audit;

	/** Migrations that were begun here, by source. */
	private final Map<String, CompletableFuture<OperationDescriptor>> migrations = new ConcurrentHashMap<>();

	private final ThreadPoolExecutor executor;

	/**
	 * What operations go by.
	 *
	 * @param urls which URLs may be given
	 * @param liquibase how a source is migrated that was added to be; {@code NONE} if the
	 * application has no change log for all sources
	 * @param mappingsKept whether mappings are kept beside, for all nodes
	 * @param patience how long a migration is waited for; it goes on in the background
	 */
	public record Settings(UrlRules urls, LiquibaseSettings liquibase, boolean mappingsKept, Duration patience) {

	}

	/**
	 * A source to be added. Never prints its password.
	 *
	 * @param name its name
	 * @param url its JDBC URL, or one as platforms give them, without user and password
	 * @param username the user, or {@code null} for none
	 * @param password the password, or in a catalog a reference to it; {@code null} for
	 * none
	 * @param displayName its name for people, or {@code null} for none
	 * @param readOnly whether it refuses writes
	 * @param migrated whether it is migrated with the application's change log for all
	 * sources; those of a catalog never are
	 */
	public record Addition(String name, String url, @Nullable String username, @Nullable String password,
			@Nullable String displayName, boolean readOnly, boolean migrated) {

		@Override
		public String toString() {
			return "Addition[name=" + this.name + ", url=" + JdbcUrl.mask(this.url) + "]";
		}

	}

	/**
	 * Creates the operations; no thread is started before the first migration, and none
	 * stays long after the last.
	 * @param registry the sources
	 * @param mappings the mappings of tenants
	 * @param catalog keeps sources for all nodes, or {@code null}
	 * @param settings what operations go by
	 * @param migrator tells how far a database has been migrated
	 * @param problems why definitions of providers are not in use, by source
	 * @param audit is told of every operation
	 */
	public SourceOperations(SourceRegistry registry, TenantMappings mappings, @Nullable Catalog catalog,
			Settings settings, SourceMigrator migrator, Supplier<Map<String, String>> problems,
			Consumer<AuditEvent> audit) {
		this.registry = registry;
		this.mappings = mappings;
		this.catalog = catalog;
		this.settings = settings;
		this.migrator = migrator;
		this.problems = problems;
		this.audit = audit;
		AtomicInteger number = new AtomicInteger();
		this.executor = new ThreadPoolExecutor(THREADS, THREADS, KEEP_ALIVE.toMillis(), TimeUnit.MILLISECONDS,
				new LinkedBlockingQueue<>(), (task) -> {
					Thread thread = new Thread(task, "multidb-operation-" + number.incrementAndGet());
					thread.setDaemon(true);
					return thread;
				});
		this.executor.allowCoreThreadTimeOut(true);
	}

	/**
	 * Adds a source, which is opened at its first use and is not essential.
	 * @param by who asks
	 * @param addition the source
	 * @return what was done
	 * @throws IllegalArgumentException if a name, URL or password is not allowed
	 * @throws InvalidDatasourcesException if its database is another source's
	 */
	public OperationDescriptor add(Operator by, Addition addition) {
		return perform(by, "add", "source", addition.name(), () -> {
			String name = addition.name();
			if (!SourceRegistry.isName(name)) {
				throw new IllegalArgumentException("'" + printable(name)
						+ "' is no name of a source: use 1 to 64 of A-Z, a-z, 0-9, '-', '_' and '.'.");
			}
			String url = checked(addition.url());
			if (find(name) != null || (this.catalog != null && this.catalog.find(name) != null)) {
				throw new OperationConflictException("There is a source '" + name + "' already.");
			}
			return (this.catalog != null) ? addToCatalog(this.catalog, addition) : addHere(addition, url);
		});
	}

	private OperationDescriptor addHere(Addition addition, String url) {
		if (addition.migrated() && this.settings.liquibase().changeLog() == null) {
			throw new IllegalArgumentException("There is no change log to migrate it with: name one for all sources by"
					+ " 'app.tenancy.liquibase.change-log'.");
		}
		this.registry.add(SourceDefinition.named(addition.name())
			.url(url)
			.username(addition.username())
			.password(addition.password())
			.attributes((addition.displayName() != null) ? Map.of(SourcesView.DISPLAY_NAME, addition.displayName())
					: Map.of())
			.readOnly(addition.readOnly())
			.essential(false)
			.liquibase(addition.migrated() ? this.settings.liquibase() : LiquibaseSettings.NONE)
			.origin("an operator, until restart")
			.build());
		return OperationDescriptor.of("add", addition.name(), "added", OperationDescriptor.THIS_NODE,
				"Added on this node, until restart. It is opened at its first use.");
	}

	private OperationDescriptor addToCatalog(Catalog kept, Addition addition) {
		String name = addition.name();
		if (addition.migrated()) {
			throw new IllegalArgumentException("Sources of a catalog are not migrated.");
		}
		kept.save(CatalogSource.named(name)
			.url(addition.url())
			.username(addition.username())
			.password(addition.password())
			.displayName(addition.displayName())
			.readOnly(addition.readOnly())
			.build());
		String problem = problem(kept, name);
		if (problem != null) {
			kept.remove(name);
			throw new OperationConflictException("The source '" + name + "' was not added: " + problem);
		}
		return OperationDescriptor.of("add", name, "added", OperationDescriptor.ALL_NODES,
				"Added to the catalog, for all nodes. It is opened at its first use.");
	}

	private @Nullable String problem(Catalog kept, String name) {
		String refused = kept.status().refused().get(name);
		return (refused != null) ? refused : this.problems.get().get(name);
	}

	/**
	 * Gives a source another address or other credentials. With a URL, all three are
	 * replaced as one unit; without, the password is, and the user if one is given. One
	 * that is not the catalog's is opened first, and left as it is if that fails;
	 * connections in use finish their work with the former.
	 * @param by who asks
	 * @param name the source's name
	 * @param url its new URL, or {@code null} to keep it
	 * @param username the user, or {@code null} for none, or to keep him
	 * @param password the password, or {@code null} for none, or to keep it
	 * @return what was done
	 * @throws UnknownSourceException if there is none
	 * @throws IllegalArgumentException if the URL is not allowed, or nothing is given
	 * @throws SourceUnavailableException if it could not be opened; nothing has changed
	 */
	public OperationDescriptor replace(Operator by, String name, @Nullable String url, @Nullable String username,
			@Nullable String password) {
		return perform(by, "replace", "source", name, () -> {
			if (url == null && username == null && password == null) {
				throw new IllegalArgumentException("Give a 'url', a 'username' or a 'password'.");
			}
			String checked = (url != null) ? checked(url) : null;
			Source source = find(name);
			refuseOfTemplate(source, "replaced: change its template");
			if (this.catalog != null && isOfCatalog(this.catalog, name, source)) {
				return replaceInCatalog(this.catalog, name, url, username, password);
			}
			if (source == null) {
				throw unknown(name);
			}
			return replaceHere(source.definition(), checked, username, password);
		});
	}

	private OperationDescriptor replaceHere(SourceDefinition former, @Nullable String url, @Nullable String username,
			@Nullable String password) {
		SourceDefinition definition;
		if (url != null) {
			definition = former.at(url, username, password);
		}
		else {
			String known = former.url().text();
			if (!former.url().masked().equals(known) || USER_IN_URL.matcher(known).find()) {
				throw new OperationConflictException("The URL of source '" + former.name()
						+ "' has credentials in it, which go before others: give 'url', 'username' and 'password'.");
			}
			definition = former.at(known, (username != null) ? username : former.username(),
					(password != null) ? password : former.password());
		}
		this.registry.replace(definition);
		return OperationDescriptor.of("replace", former.name(), "replaced", OperationDescriptor.THIS_NODE,
				"Opened and replaced on this node, until restart. Connections in use finish their work.");
	}

	private static OperationDescriptor replaceInCatalog(Catalog kept, String name, @Nullable String url,
			@Nullable String username, @Nullable String password) {
		CatalogSource row = kept.find(name);
		if (row == null) {
			throw unknown(name);
		}
		CatalogSource.Builder changed = row.change();
		if (url != null) {
			changed.url(url).username(username).password(password);
		}
		else {
			changed.username((username != null) ? username : row.username())
				.password((password != null) ? password : row.password());
		}
		kept.save(changed.build());
		return OperationDescriptor.of("replace", name, "replaced", OperationDescriptor.ALL_NODES,
				"Changed in the catalog, for all nodes. Where it is open, it is opened anew, and serves as before until"
						+ " that has succeeded.");
	}

	/**
	 * Removes a source; what is in use may finish. Its database is left alone.
	 * @param by who asks
	 * @param name the source's name
	 * @return what was done
	 * @throws UnknownSourceException if there is none
	 */
	public OperationDescriptor remove(Operator by, String name) {
		return perform(by, "remove", "source", name, () -> {
			Source source = find(name);
			refuseOfTemplate(source, "removed: it would come back at its next use");
			if (this.catalog != null && isOfCatalog(this.catalog, name, source)) {
				if (!this.catalog.remove(name)) {
					throw unknown(name);
				}
				return OperationDescriptor.of("remove", name, "removed", OperationDescriptor.ALL_NODES,
						"Removed from the catalog, for all nodes. Its database is left alone.");
			}
			if (this.catalog != null && name.equals(this.catalog.source())) {
				throw new OperationConflictException("The catalog is in the source '" + name + "'.");
			}
			if (!this.registry.remove(name)) {
				throw unknown(name);
			}
			return OperationDescriptor.of("remove", name, "removed", OperationDescriptor.THIS_NODE,
					"Removed on this node, until restart. Its database is left alone.");
		});
	}

	/**
	 * Closes what is open of a source, as soon as it is not in use. Its next use opens it
	 * again.
	 * @param by who asks
	 * @param name the source's name
	 * @return what was done
	 * @throws UnknownSourceException if there is none
	 */
	public OperationDescriptor drain(Operator by, String name) {
		return perform(by, "drain", "source", name, () -> {
			require(name);
			return this.registry.drain(name)
					? OperationDescriptor.of("drain", name, "draining", OperationDescriptor.THIS_NODE,
							"Its pool on this node closes when the last connection comes back. The next use opens it"
									+ " again.")
					: OperationDescriptor.of("drain", name, "not-open", null, "Nothing of it is open on this node.");
		});
	}

	/**
	 * Tries a source again at once that is unavailable.
	 * @param by who asks
	 * @param name the source's name
	 * @return what was done
	 * @throws UnknownSourceException if there is none
	 * @throws SourceUnavailableException if it fails again
	 */
	public OperationDescriptor retry(Operator by, String name) {
		return perform(by, "retry", "source", name, () -> {
			Source source = require(name);
			if (!(source.state() instanceof SourceState.Unavailable)) {
				return OperationDescriptor.of("retry", name, "not-unavailable", null,
						"It is not unavailable on this node, so there is nothing to be tried again.");
			}
			this.registry.retry(name);
			return OperationDescriptor.of("retry", name, "available", OperationDescriptor.THIS_NODE,
					"It can be used again on this node.");
		});
	}

	/**
	 * Migrates a source with its change log. One that is open is opened anew for that,
	 * and goes on serving meanwhile.
	 * @param by who asks
	 * @param name the name of a source, or of a template's tenant
	 * @return what was done; {@code running} if it takes longer, and goes on
	 * @throws UnknownSourceException if there is none
	 * @throws SourceUnavailableException if it fails
	 */
	public OperationDescriptor migrate(Operator by, String name) {
		CompletableFuture<OperationDescriptor> mine = new CompletableFuture<>();
		CompletableFuture<OperationDescriptor> others = this.migrations.putIfAbsent(name, mine);
		if (others == null) {
			begin(by, name, mine);
		}
		try {
			return ((others != null) ? others : mine).get(this.settings.patience().toMillis(), TimeUnit.MILLISECONDS);
		}
		catch (TimeoutException ex) {
			return OperationDescriptor.of("migrate", name, "running", OperationDescriptor.THIS_NODE,
					"It is being migrated, and goes on in the background. Its state tells when that is over.");
		}
		catch (ExecutionException ex) {
			if (ex.getCause() instanceof RuntimeException failure) {
				throw failure;
			}
			throw new IllegalStateException("Migrating failed", ex.getCause());
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new SourceUnavailableException(name, "Interrupted while source '" + printable(name)
					+ "' was being migrated, which goes on in the background.", Duration.ofSeconds(1), ex);
		}
	}

	private void begin(Operator by, String name, CompletableFuture<OperationDescriptor> end) {
		boolean begun = false;
		try {
			this.executor.execute(() -> {
				OperationDescriptor done = null;
				Throwable failure = null;
				try {
					done = perform(by, "migrate", "source", name, () -> migrate(name));
				}
				catch (Throwable ex) {
					failure = ex;
				}
				// Whoever asks from here on begins anew.
				this.migrations.remove(name, end);
				if (failure != null) {
					end.completeExceptionally(failure);
				}
				else {
					end.complete(done);
				}
			});
			begun = true;
		}
		catch (RejectedExecutionException ex) {
			throw new SourceUnavailableException(name, "The application has ended.", Duration.ofSeconds(1), ex);
		}
		finally {
			if (!begun) {
				this.migrations.remove(name, end);
			}
		}
	}

	private OperationDescriptor migrate(String name) {
		Source source = find(name);
		SourceDefinition definition = ((source != null) ? source : this.registry.get(name)).definition();
		if (definition.liquibase().changeLog() == null) {
			throw new OperationConflictException("The source '" + name + "' has no change log, so it is not migrated.");
		}
		if (source != null && source.poolState() != null && definition.template() == null) {
			this.registry.replace(definition);
		}
		else {
			this.registry.prepare(name);
		}
		MigrationState state = look(name);
		return new OperationDescriptor("migrate", name, null, "up-to-date", OperationDescriptor.ALL_NODES,
				"Its database is up to date.",
				(state != null) ? new MigrationsRunDescriptor(state.run(), state.pending()) : null);
	}

	private @Nullable MigrationState look(String name) {
		try {
			Optional<MigrationState> found = this.registry.look(name,
					(definition, connection) -> Optional.ofNullable(this.migrator.state(definition, connection)));
			return (found != null) ? found.orElse(null) : null;
		}
		catch (RuntimeException ex) {
			logger.debug("{}: how far it has been migrated cannot be told", name, ex);
			return null;
		}
	}

	/**
	 * Maps a tenant to a source, whatever the routes say. Nothing is copied.
	 * @param by who asks
	 * @param tenant the tenant's id
	 * @param source the source's name
	 * @return what was done
	 * @throws InvalidTenantException if the id is malformed
	 * @throws UnknownSourceException if tenants may not be mapped to such a source
	 * @throws SourceUnavailableException if the mapping could not be kept
	 */
	public OperationDescriptor map(Operator by, String tenant, String source) {
		return perform(by, "map", "tenant", tenant, () -> {
			this.mappings.map(tenant, source);
			return new OperationDescriptor("map", source, tenant, "mapped", scope(),
					"Scopes that begin from now on go to '" + source + "', " + where() + ". Nothing was copied.", null);
		});
	}

	/**
	 * Lets a tenant go where the routes lead.
	 * @param by who asks
	 * @param tenant the tenant's id
	 * @return what was done
	 * @throws InvalidTenantException if the id is malformed
	 * @throws SourceUnavailableException if the mapping could not be taken back
	 */
	public OperationDescriptor unmap(Operator by, String tenant) {
		return perform(by, "unmap", "tenant", tenant, () -> this.mappings.unmap(tenant)
				? new OperationDescriptor("unmap", null, tenant, "unmapped", scope(),
						"Scopes that begin from now on go where the routes lead, " + where() + ".", null)
				: new OperationDescriptor("unmap", null, tenant, "not-mapped", null, "It was not mapped.", null));
	}

	private String scope() {
		return this.settings.mappingsKept() ? OperationDescriptor.ALL_NODES : OperationDescriptor.THIS_NODE;
	}

	private String where() {
		return this.settings.mappingsKept() ? "on all nodes" : "on this node, until restart";
	}

	private @Nullable Source find(String name) {
		Source source = this.registry.find(name);
		return (source == null || source.isGone()) ? null : source;
	}

	private Source require(String name) {
		Source source = find(name);
		if (source == null) {
			throw unknown(name);
		}
		return source;
	}

	private static UnknownSourceException unknown(String name) {
		return new UnknownSourceException(name, "There is no source of this name.");
	}

	private static void refuseOfTemplate(@Nullable Source source, String what) {
		if (source != null && source.definition().template() != null) {
			throw new OperationConflictException("Source '" + source.name() + "' is made by the template '"
					+ source.definition().template() + "' and cannot be " + what + ".");
		}
	}

	/** Whether its row is what there is of it, be it one that is not in use. */
	private static boolean isOfCatalog(Catalog kept, String name, @Nullable Source source) {
		return kept.find(name) != null && (source == null || kept.defines(source.definition()));
	}

	private String checked(String url) {
		try {
			return this.settings.urls().check(url);
		}
		catch (IllegalArgumentException ex) {
			throw new IllegalArgumentException("The URL " + ex.getMessage() + ".");
		}
	}

	private OperationDescriptor perform(Operator by, String operation, String kind, String subject,
			Supplier<OperationDescriptor> work) {
		Map<String, @Nullable Object> data = new LinkedHashMap<>();
		data.put("operation", operation);
		data.put(kind, printable(subject));
		data.put("via", by.via());
		try {
			OperationDescriptor done = work.get();
			data.put("outcome", done.outcome());
			if (done.tenant() != null && done.source() != null) {
				data.put("source", done.source());
			}
			if (done.scope() != null) {
				data.put("scope", done.scope());
			}
			logger.info("{}: {} by {} ({}): {}", printable(subject), operation, printable(String.valueOf(by.name())),
					by.via(), done.outcome());
			return done;
		}
		catch (RuntimeException ex) {
			data.put("outcome", "failed");
			data.put("reason", JdbcUrl.mask(String.valueOf(ex.getMessage())));
			throw ex;
		}
		finally {
			data.putIfAbsent("outcome", "failed");
			publish(new AuditEvent(by.name(), AUDIT_TYPE, data));
		}
	}

	/** What listens must not undo what was done. */
	private void publish(AuditEvent event) {
		try {
			this.audit.accept(event);
		}
		catch (RuntimeException ex) {
			logger.error("The audit event {} could not be published", event, ex);
		}
	}

	/** Names come from outside, and must not begin a line of their own. */
	private static String printable(String name) {
		String text = name.replaceAll("[^\\x20-\\x7e]", "?");
		return (text.length() > 64) ? text.substring(0, 64) + "…" : text;
	}

	/** Ends its threads; what they are doing ends with the registry. */
	@Override
	public void close() {
		this.executor.shutdownNow();
	}

}
