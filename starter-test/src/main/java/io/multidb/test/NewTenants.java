package io.multidb.test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
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
 * Makes the databases of new tenants, and deletes them. One per application context;
 * thread-safe.
 */
final class NewTenants implements DisposableBean {

	private static final String NAME = NewTenants.class.getName();

	private final Routes routes;

	private final SourceRegistry registry;

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
	NewTenant make(String pattern) {
		String tenant = unique(pattern);
		SourceDefinition definition = this.routes.resolve(tenant).definition();
		if (definition.template() == null) {
			return new NewTenant(tenant, () -> {
			});
		}
		this.routes.create(tenant);
		return new NewTenant(tenant, () -> delete(definition));
	}

	private static String unique(String pattern) {
		return pattern.replace("*", "t" + UUID.randomUUID().toString().replace("-", "").substring(0, 12));
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

	private static void execute(Connection connection, String sql) throws SQLException {
		try (Statement statement = connection.createStatement()) {
			statement.execute(sql);
		}
	}

	private static String quote(String identifier) {
		return '"' + identifier.replace("\"", "\"\"") + '"';
	}

	@Override
	public void destroy() throws IOException {
		for (Path leftover : this.leftovers) {
			Files.deleteIfExists(leftover);
		}
	}

}
