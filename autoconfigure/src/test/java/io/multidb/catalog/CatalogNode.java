package io.multidb.catalog;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;

import org.springframework.core.io.DefaultResourceLoader;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.SourceContext;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.discovery.ProvidedSources;
import io.multidb.migration.LiquibaseMigrator;
import io.multidb.routing.MappingEvent;
import io.multidb.routing.Route;
import io.multidb.routing.Routes;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.TenantMappings;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

/**
 * One process of an application whose source {@code main} has the catalog.
 */
final class CatalogNode implements AutoCloseable {

	static final Duration LONG = Duration.ofSeconds(60);

	final List<MappingEvent> events = new CopyOnWriteArrayList<>();

	final Sources sources;

	final SourceRegistry registry;

	final Catalog catalog;

	final ProvidedSources provided;

	final TenantMappings mappings;

	final Routes routes;

	final RoutingDataSource router;

	final TransactionTemplate transaction;

	CatalogNode(Sources sources, Duration pollInterval, List<Route> routes) {
		this.sources = sources;
		this.registry = sources.registry();
		CatalogSettings settings = new CatalogSettings("main", "courts_", pollInterval, true,
				new UrlRules(List.of("sqlite"), Map.of(), null),
				new CatalogCredentials(List.of(), (name) -> null, Map.of(), null, true));
		this.catalog = new Catalog(settings, this.registry, this::router,
				new LiquibaseMigrator(new DefaultResourceLoader()), (event) -> {
				}, this::provided);
		this.provided = new ProvidedSources(this.registry, List.of(this.catalog.provider()));
		this.mappings = new TenantMappings(this.registry, this.catalog.mappings(), this.events::add);
		this.routes = new Routes(routes, null, this.registry, this.mappings, this.catalog.shards());
		this.router = new RoutingDataSource(this.routes);
		this.transaction = new TransactionTemplate(new JdbcTransactionManager(this.router));
		this.catalog.start(LONG);
		this.provided.start(LONG);
	}

	private RoutingDataSource router() {
		return this.router;
	}

	private ProvidedSources provided() {
		return this.provided;
	}

	/** Something that is done in a transaction on the catalog's source. */
	interface Work {

		void run(org.springframework.transaction.TransactionStatus status);

	}

	void inTransaction(Work work) {
		try (var scope = SourceContext.enter("main")) {
			this.transaction.executeWithoutResult(work::run);
		}
	}

	/** The source of a scope that is entered now. */
	String sourceOf(String tenant) {
		Function<Target, String> name = (target) -> this.routes.resolve(target).name();
		return TenantContext.call(tenant, () -> name.apply(Target.current()));
	}

	@Override
	public void close() {
		this.catalog.close();
		this.provided.close();
		this.sources.close();
	}

}
