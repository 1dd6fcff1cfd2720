package io.multidb.actuate;

import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
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
import io.multidb.discovery.ProvidedSources;
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

	/** The origin of what has no other. */
	private static final String ADDED = "an operator, until restart";

	private static final Pattern USER_IN_URL = Pattern.compile("(?i)(//[^/?#]*@|[?&;(]user(name)?=)");

	private final SourceRegistry registry;

	private final TenantMappings mappings;

	private final @Nullable Catalog catalog;

	private final Settings settings;

	private final SourceMigrator migrator;

	private final ProvidedSources provided;

	private final OperationTrail trail;

	private final LongOperations migrating;

	/** Apart: who gives a new password does not wait for migrations. */
	private final LongOperations opening;

	/**
	 * What operations go by.
	 *
	 * @param urls which URLs may be given
	 * @param liquibase how a source is migrated that was added to be; {@code NONE} if the
	 * application has no change log for all sources
	 * @param mappingsKept whether mappings are kept beside, for all nodes
	 * @param patience how long an operation is waited for; it goes on in the background
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
	 * Creates the operations; no thread is started before one is needed, and none stays
	 * long afterwards.
	 * @param registry the sources
	 * @param mappings the mappings of tenants
	 * @param catalog keeps sources for all nodes, or {@code null}
	 * @param settings what operations go by
	 * @param migrator tells how far a database has been migrated
	 * @param provided what providers define, the catalog among them
	 * @param audit is told of every operation
	 * @param history remembers what became of them
	 */
	public SourceOperations(SourceRegistry registry, TenantMappings mappings, @Nullable Catalog catalog,
			Settings settings, SourceMigrator migrator, ProvidedSources provided, Consumer<AuditEvent> audit,
			OperationHistory history) {
		this.registry = registry;
		this.mappings = mappings;
		this.catalog = catalog;
		this.settings = settings;
		this.migrator = migrator;
		this.provided = provided;
		this.trail = new OperationTrail(audit, history);
		this.migrating = new LongOperations("multidb-migrate-", this.trail, settings.patience());
		this.opening = new LongOperations("multidb-operation-", this.trail, settings.patience());
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
		return this.trail.withSource(by, "add", addition.name(), () -> {
			String name = addition.name();
			if (!SourceRegistry.isName(name)) {
				throw new IllegalArgumentException("'" + OperationTrail.printable(name)
						+ "' is no name of a source: use 1 to 64 of A-Z, a-z, 0-9, '-', '_' and '.'.");
			}
			String url = checked(addition.url());
			if (this.catalog != null && this.provided.isKeptOut(name)) {
				throw new OperationConflictException("The source '" + name
						+ "' was removed on this node until its next start, and goes before a row of the catalog then.");
			}
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
			.origin(ADDED)
			.build());
		return OperationDescriptor.of("add", addition.name(), "added", OperationDescriptor.THIS_NODE,
				"Added on this node, until restart. It is opened at its first use.");
	}

	private OperationDescriptor addToCatalog(Catalog kept, Addition addition) {
		String name = addition.name();
		if (addition.migrated()) {
			throw new IllegalArgumentException("Sources of a catalog are not migrated.");
		}
		Catalog.Saved saved = kept.add(CatalogSource.named(name)
			.url(addition.url())
			.username(addition.username())
			.password(addition.password())
			.displayName(addition.displayName())
			.readOnly(addition.readOnly())
			.build());
		if (!saved.followed()) {
			return saved("add", name);
		}
		String problem = problem(kept, name);
		if (problem != null) {
			throw new OperationConflictException(
					kept.remove(name, saved.revision()) ? "The source '" + name + "' was not added: " + problem
							: "The source '" + name
									+ "' was added, and somebody has changed it since. This node does not use" + " it: "
									+ problem);
		}
		return OperationDescriptor.of("add", name, "added", OperationDescriptor.ALL_NODES,
				"Added to the catalog, for all nodes. It is opened at its first use.");
	}

	private static OperationDescriptor saved(String operation, String name) {
		return OperationDescriptor.of(operation, name, "saved", OperationDescriptor.ALL_NODES,
				"Saved in the catalog, for all nodes; this node had not followed within 5 s. Look at the source to see"
						+ " what has become of it here.");
	}

	private @Nullable String problem(Catalog kept, String name) {
		String refused = kept.status().refused().get(name);
		return (refused != null) ? refused : this.provided.problems().get(name);
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
	 * @return what was done; {@code running} or {@code queued} if it takes longer, and
	 * goes on
	 * @throws UnknownSourceException if there is none
	 * @throws InvalidDatasourcesException if its database is another source's
	 * @throws IllegalArgumentException if the URL is not allowed, or nothing is given
	 * @throws SourceUnavailableException if it could not be opened; nothing has changed
	 */
	public OperationDescriptor replace(Operator by, String name, @Nullable String url, @Nullable String username,
			@Nullable String password) {
		Source source = find(name);
		if (this.catalog != null && isOfCatalog(this.catalog, source)) {
			Catalog kept = this.catalog;
			// On this thread, as the rules about the catalog's source ask for its user.
			return this.trail.withSource(by, "replace", name, () -> {
				refuseNothing(url, username, password);
				if (this.provided.isKeptOut(name)) {
					throw unknown(name);
				}
				return replaceInCatalog(kept, name, (url != null) ? checked(url) : null, username, password);
			});
		}
		return this.opening.begin(by, "replace", name, () -> replaceHere(name, url, username, password));
	}

	private static void refuseNothing(@Nullable String url, @Nullable String username, @Nullable String password) {
		if (url == null && username == null && password == null) {
			throw new IllegalArgumentException("Give a 'url', a 'username' or a 'password'.");
		}
	}

	private OperationDescriptor replaceHere(String name, @Nullable String url, @Nullable String username,
			@Nullable String password) {
		refuseNothing(url, username, password);
		String checked = (url != null) ? checked(url) : null;
		refuseOfTemplate(require(name), "replaced: change its template");
		this.registry.replace(name, (former) -> {
			SourceDefinition replacement = (checked != null) ? former.at(checked, username, password)
					: withCredentials(former, username, password);
			if (isTheCatalogs(name) && !(replacement.url().equals(former.url())
					&& Objects.equals(replacement.username(), former.username()))) {
				throw new OperationConflictException(
						"The catalog is in the source '" + name + "': nothing but its password can be replaced.");
			}
			return replacement;
		});
		return OperationDescriptor.of("replace", name, "replaced", OperationDescriptor.THIS_NODE,
				"Opened and replaced on this node, until restart. Connections in use finish their work.");
	}

	private static SourceDefinition withCredentials(SourceDefinition former, @Nullable String username,
			@Nullable String password) {
		String known = former.url().text();
		if (former.url().hasSecrets() || USER_IN_URL.matcher(known).find()) {
			throw new OperationConflictException("The URL of source '" + former.name()
					+ "' has credentials in it, which go before others: give 'url', 'username' and 'password'.");
		}
		return former.at(known, (username != null) ? username : former.username(),
				(password != null) ? password : former.password());
	}

	private OperationDescriptor replaceInCatalog(Catalog kept, String name, @Nullable String url,
			@Nullable String username, @Nullable String password) {
		if (kept.replace(name, url, username, password).followed()) {
			return OperationDescriptor.of("replace", name, "replaced", OperationDescriptor.ALL_NODES,
					"Changed in the catalog, for all nodes, and used on this one. Where it is open on another, it is"
							+ " opened anew, and serves as before until that has succeeded.");
		}
		String problem = problem(kept, name);
		return (problem != null) ? OperationDescriptor.of("replace", name, "saved", OperationDescriptor.ALL_NODES,
				"Saved in the catalog, for all nodes. This node cannot use it yet, and goes on as before: " + problem)
				: saved("replace", name);
	}

	/**
	 * Removes a source; what is in use may finish. Its database is left alone. One that
	 * is declared, or that another provider than the catalog has, is removed on this node
	 * until it starts again; whatever providers say, no source has its name until then.
	 * @param by who asks
	 * @param name the source's name
	 * @return what was done
	 * @throws UnknownSourceException if there is none
	 */
	public OperationDescriptor remove(Operator by, String name) {
		return this.trail.withSource(by, "remove", name, () -> {
			Source source = find(name);
			refuseOfTemplate(source, "removed: it would come back at its next use");
			if (this.catalog != null && isOfCatalog(this.catalog, source)) {
				if (this.provided.isKeptOut(name) || !this.catalog.remove(name)) {
					throw unknown(name);
				}
				Source stays = find(name);
				if (stays != null && this.catalog.defines(stays.definition())) {
					return saved("remove", name);
				}
				return OperationDescriptor.of("remove", name, "removed", OperationDescriptor.ALL_NODES,
						"Removed from the catalog, for all nodes. Its database is left alone.");
			}
			if (source == null) {
				throw unknown(name);
			}
			return removeHere(source);
		});
	}

	private OperationDescriptor removeHere(Source source) {
		String name = source.name();
		String origin = source.definition().origin();
		if (isTheCatalogs(name)) {
			throw new OperationConflictException("The catalog is in the source '" + name + "'.");
		}
		boolean comesBack = !origin.equals(ADDED);
		if (comesBack && !this.provided.keepOut(name)) {
			throw new SourceUnavailableException(name,
					"Source '" + name
							+ "' was not removed: definitions are still being applied that may have it. Try again.",
					Duration.ofSeconds(1), null);
		}
		if (!this.registry.remove(name)) {
			throw unknown(name);
		}
		return OperationDescriptor.of("remove", name, "removed", OperationDescriptor.THIS_NODE,
				comesBack
						? "Removed on this node until its next start, which finds it again in: " + origin
								+ ". Nothing that is defined takes its name until then. Its database is left alone."
						: "Removed on this node, which alone had it. Its database is left alone.");
	}

	private boolean isTheCatalogs(String name) {
		return this.catalog != null && name.equals(this.catalog.source());
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
		return this.trail.withSource(by, "drain", name, () -> {
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
	 * @return what was done; {@code running} or {@code queued} if it takes longer, and
	 * goes on
	 * @throws UnknownSourceException if there is none
	 * @throws SourceUnavailableException if it fails again
	 */
	public OperationDescriptor retry(Operator by, String name) {
		return this.opening.join(by, "retry", name, () -> {
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
	 * @return what was done; {@code running} or {@code queued} if it takes longer, and
	 * goes on
	 * @throws UnknownSourceException if there is none
	 * @throws SourceUnavailableException if it fails
	 */
	public OperationDescriptor migrate(Operator by, String name) {
		return this.migrating.join(by, "migrate", name, () -> migrate(name));
	}

	private OperationDescriptor migrate(String name) {
		if (this.registry.definition(name).liquibase().changeLog() == null) {
			throw new OperationConflictException("The source '" + name + "' has no change log, so it is not migrated.");
		}
		Source source = find(name);
		if (source != null && source.state() instanceof SourceState.Unavailable) {
			// Whoever asks has mended something, and would be told of the last failure.
			this.registry.retry(name);
		}
		if (!this.registry.reopen(name)) {
			this.registry.prepare(name);
		}
		MigrationState state = look(name);
		return new OperationDescriptor("migrate", name, null, "up-to-date", OperationDescriptor.ALL_NODES,
				"Its database is up to date.",
				(state != null) ? new MigrationsRunDescriptor(state.run(), state.pending()) : null, null);
	}

	private @Nullable MigrationState look(String name) {
		try {
			Optional<MigrationState> found = this.registry.look(name,
					(definition, connection) -> Optional.ofNullable(this.migrator.state(definition, connection)));
			return (found != null) ? found.orElse(null) : null;
		}
		catch (RuntimeException ex) {
			Source source = find(name);
			logger.debug("{}: how far it has been migrated cannot be told", name,
					(source != null) ? source.definition().masked(ex) : JdbcUrl.mask(ex));
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
		return this.trail.withTenant(by, "map", tenant, () -> {
			this.mappings.map(tenant, source);
			return new OperationDescriptor("map", source, tenant, "mapped", scope(),
					"Scopes that begin from now on go to '" + source + "', " + where() + ". Nothing was copied.", null,
					null);
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
		return this.trail.withTenant(by, "unmap", tenant, () -> this.mappings.unmap(tenant)
				? new OperationDescriptor("unmap", null, tenant, "unmapped", scope(),
						"Scopes that begin from now on go where the routes lead, " + where() + ".", null, null)
				: new OperationDescriptor("unmap", null, tenant, "not-mapped", null, "It was not mapped.", null, null));
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

	private UnknownSourceException unknown(String name) {
		return new UnknownSourceException(name, this.provided.isKeptOut(name)
				? "It was removed on this node, until its next start." : "There is no source of this name.");
	}

	private static void refuseOfTemplate(@Nullable Source source, String what) {
		if (source != null && source.definition().template() != null) {
			throw new OperationConflictException("Source '" + source.name() + "' is made by the template '"
					+ source.definition().template() + "' and cannot be " + what + ".");
		}
	}

	/** Whether it is for the catalog to say whether there is one, and what it is. */
	private static boolean isOfCatalog(Catalog kept, @Nullable Source source) {
		return source == null || kept.defines(source.definition());
	}

	private String checked(String url) {
		try {
			return this.settings.urls().check(url);
		}
		catch (IllegalArgumentException ex) {
			throw new IllegalArgumentException("The URL " + ex.getMessage() + ".");
		}
	}

	/** Ends its threads; what they are doing ends with the registry. */
	@Override
	public void close() {
		this.migrating.close();
		this.opening.close();
	}

}
