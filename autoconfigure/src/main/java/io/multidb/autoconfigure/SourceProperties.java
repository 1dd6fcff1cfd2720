package io.multidb.autoconfigure;

import java.time.Duration;
import java.util.List;
import java.util.Map;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.bind.DefaultValue;

import io.multidb.source.CreatePolicy;

/**
 * One source, or template of sources.
 *
 * @param url JDBC URL. A placeholder such as {id} makes it a template: one database per
 * tenant, reached by the one route whose pattern has that name.
 * @param username User to connect as.
 * @param password Password to connect with.
 * @param driverClassName Class of the JDBC driver. By default the driver that accepts the
 * URL is taken.
 * @param hikari Settings of this source's pool, by HikariCP's names, such as
 * maximum-pool-size. URL, credentials and pool name are refused here.
 * @param liquibase How this source is migrated.
 * @param essential Whether the application is DOWN when this source is. By default true
 * for a source and false for a template.
 * @param internal Whether tenants can never reach this source by a route, as for
 * maintenance.
 * @param maintenance Source on which CREATE DATABASE runs, for a template on a server.
 * @param server Name under app.tenancy.servers of the server whose budget this source's
 * connections come from. By default that of the URL's host and port.
 * @param create When a template makes a database that does not exist.
 * @param copy Whether a template makes its databases as copies of the first one that was
 * migrated, where that is possible. By default true.
 * @param readOnly Whether this source refuses writes. It is not migrated.
 * @param replicas Sources that are replicas of this one and take its read-only work, such
 * as of @Transactional(readOnly = true). They become read-only and internal.
 * @param maxLag How far behind a replica may be and still be used, for PostgreSQL. By
 * default 10s.
 * @param sticky How long after a write the same tenant and session read from this source
 * and not from a replica; 0 for not at all. By default max-lag.
 * @param fallback Source that is used while this one is unavailable, decided once per
 * scope.
 * @param fallbackReadOnly Whether the fallback takes no writes of this source's tenants.
 * By default true.
 * @param attributes Free data of the application's own.
 */
record SourceProperties(@Nullable String url, @Nullable String username, @Nullable String password,
		@Nullable String driverClassName, @DefaultValue Map<String, String> hikari, @DefaultValue Liquibase liquibase,
		@Nullable Boolean essential, @DefaultValue("false") boolean internal, @Nullable String maintenance,
		@Nullable String server, @DefaultValue("never") CreatePolicy create, @Nullable Boolean copy,
		@DefaultValue("false") boolean readOnly, @DefaultValue List<String> replicas, @Nullable Duration maxLag,
		@Nullable Duration sticky, @Nullable String fallback, @Nullable Boolean fallbackReadOnly,
		@DefaultValue Map<String, String> attributes) {

	/** The same with another address: a URL, a user and a password are one unit. */
	SourceProperties at(@Nullable String url, @Nullable String username, @Nullable String password) {
		return new SourceProperties(url, username, password, this.driverClassName, this.hikari, this.liquibase,
				this.essential, this.internal, this.maintenance, this.server, this.create, this.copy, this.readOnly,
				this.replicas, this.maxLag, this.sticky, this.fallback, this.fallbackReadOnly, this.attributes);
	}

	/**
	 * How one source is migrated.
	 *
	 * @param enabled Whether this source is migrated, if it has a change log or there is
	 * a shared one.
	 * @param changeLog Location of the change log, such as classpath:db/changelog.yaml.
	 * By default app.tenancy.liquibase.change-log.
	 * @param contexts Contexts to run. By default app.tenancy.liquibase.contexts.
	 * @param labelFilter Labels to run. By default app.tenancy.liquibase.label-filter.
	 * @param parameters Values for the change log's parameters, beside
	 * app.tenancy.liquibase.parameters.
	 */
	record Liquibase(@DefaultValue("true") boolean enabled, @Nullable String changeLog, @Nullable List<String> contexts,
			@Nullable List<String> labelFilter, @DefaultValue Map<String, String> parameters) {

		/** Parameters may be secret. */
		@Override
		public String toString() {
			return "Liquibase[changeLog=" + this.changeLog + "]";
		}

	}

	/** The URL, the password and the maps may hold secrets. */
	@Override
	public String toString() {
		return "SourceProperties[url=***, username=" + this.username + ", password=***]";
	}

}
