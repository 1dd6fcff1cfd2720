package io.multidb.test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

import org.springframework.beans.factory.DisposableBean;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.beans.factory.support.DefaultSingletonBeanRegistry;
import org.springframework.context.ConfigurableApplicationContext;

import io.multidb.routing.Routes;
import io.multidb.source.DatabaseProduct;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;

/**
 * Makes the databases of new tenants: by the template the first time, which migrates it,
 * and from then on as a copy of that one. One per application context; thread-safe.
 */
final class NewTenants implements DisposableBean {

	private static final String NAME = NewTenants.class.getName();

	private final Routes routes;

	private final SourceRegistry registry;

	/** A migrated database of each template, which no test works on; guarded by this. */
	private final Map<String, SourceDefinition> models = new HashMap<>();

	/** Files that were in use when they were to be deleted. */
	private final Set<Path> leftovers = ConcurrentHashMap.newKeySet();

	private NewTenants(Routes routes, SourceRegistry registry) {
		this.routes = routes;
		this.registry = registry;
	}

	static NewTenants of(ConfigurableApplicationContext context) {
		ConfigurableListableBeanFactory beans = context.getBeanFactory();
		synchronized (beans) {
			if (beans.containsSingleton(NAME)) {
				return (NewTenants) Objects.requireNonNull(beans.getSingleton(NAME));
			}
			NewTenants tenants = new NewTenants(beans.getBean(Routes.class), beans.getBean(SourceRegistry.class));
			beans.registerSingleton(NAME, tenants);
			// The last to be registered is destroyed first, while there are pools.
			((DefaultSingletonBeanRegistry) beans).registerDisposableBean(NAME, tenants);
			return tenants;
		}
	}

	/**
	 * Makes a tenant.
	 * @param pattern what its id looks like, with a {@code *}
	 */
	NewTenant make(String pattern) throws Exception {
		String tenant = unique(pattern);
		SourceDefinition definition = this.routes.resolve(tenant).definition();
		if (definition.template() == null) {
			return new NewTenant(tenant, () -> {
			});
		}
		copy(model(definition.template(), pattern), definition);
		return new NewTenant(tenant, () -> delete(definition));
	}

	private static String unique(String pattern) {
		return pattern.replace("*", "t" + UUID.randomUUID().toString().replace("-", "").substring(0, 12));
	}

	private synchronized SourceDefinition model(String template, String pattern) {
		return this.models.computeIfAbsent(template, (name) -> {
			String tenant = unique(pattern);
			this.routes.create(tenant);
			SourceDefinition model = this.routes.resolve(tenant).definition();
			this.registry.drain(tenant);
			return model;
		});
	}

	private void copy(SourceDefinition model, SourceDefinition definition) throws Exception {
		if (definition.url().product() == DatabaseProduct.SQLITE) {
			Files.copy(model.url().sqliteFile(), definition.url().sqliteFile());
			return;
		}
		try (Connection maintenance = maintenance(definition)) {
			execute(maintenance, "CREATE DATABASE " + quote(definition.url().databaseName()) + " TEMPLATE "
					+ quote(model.url().databaseName()) + " OWNER " + quote(owner(model, maintenance)));
		}
	}

	private void delete(SourceDefinition definition) throws Exception {
		this.registry.drain(definition.name());
		if (definition.url().product() == DatabaseProduct.SQLITE) {
			Path file = definition.url().sqliteFile();
			for (String companion : new String[] { "", "-wal", "-shm", "-journal" }) {
				delete(file.resolveSibling(file.getFileName() + companion));
			}
			return;
		}
		try (Connection maintenance = maintenance(definition)) {
			execute(maintenance, "DROP DATABASE IF EXISTS " + quote(definition.url().databaseName()) + " WITH (FORCE)");
		}
	}

	/** On Windows a file cannot be deleted before its pool is closed. */
	private void delete(Path file) {
		try {
			Files.deleteIfExists(file);
		}
		catch (IOException ex) {
			this.leftovers.add(file);
		}
	}

	private Connection maintenance(SourceDefinition definition) throws SQLException {
		Source source = this.registry.get(Objects.requireNonNull(definition.maintenance()));
		Connection connection = source.getConnection();
		connection.setAutoCommit(true);
		return connection;
	}

	private static String owner(SourceDefinition model, Connection maintenance) throws SQLException {
		try (PreparedStatement statement = maintenance
			.prepareStatement("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = ?")) {
			statement.setString(1, model.url().databaseName());
			try (ResultSet rows = statement.executeQuery()) {
				rows.next();
				return rows.getString(1);
			}
		}
	}

	private static void execute(Connection connection, String sql) throws SQLException {
		try (Statement statement = connection.createStatement()) {
			statement.execute(sql);
		}
	}

	private static String quote(String identifier) {
		return '"' + identifier.replace("\"", "\"\"") + '"';
	}

	@Override
	public synchronized void destroy() throws Exception {
		for (SourceDefinition model : this.models.values()) {
			delete(model);
		}
		for (Path leftover : this.leftovers) {
			Files.deleteIfExists(leftover);
		}
	}

}
