package io.multidb.autoconfigure;

import java.io.File;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.bind.DefaultValue;

import io.multidb.actuate.HikariMeters;
import io.multidb.catalog.CatalogCredentials;
import io.multidb.catalog.CatalogSettings;
import io.multidb.catalog.UrlRules;
import io.multidb.jpa.HibernateProduct;
import io.multidb.source.PoolLimits;
import io.multidb.source.ServerSettings;

/**
 * How tenants find their sources.
 *
 * @param enabled Whether the starter does anything.
 * @param noTenant What happens to database work without a tenant: refuse, or the name of
 * a source that takes it.
 * @param routes Which tenants go to which source; the first match wins. Without routes,
 * each tenant uses the source of its own name.
 * @param packages Packages that are named after tenants, such as com.acme.apps.{tenant}:
 * beans in such a package, or below it, work for that tenant. The names are looked up in
 * the environment, as those of discovery.names.
 * @param maxOpen How many sources may be open at the same time; the least recently used
 * idle one gives way. 0 for any number.
 * @param whenFull What becomes of a further source while as many as may be are open and
 * in use: it waits for one of them as long as for a connection, or exceeds the limit.
 * @param idleTimeout How long a source stays open that nobody uses, unless it has
 * 'hikari.minimum-idle'. 0 for ever.
 * @param drainTimeout How long connections in use may be used after their source was
 * removed, replaced or drained.
 * @param servers How many connections database servers may have from this process, and
 * how many of their sources may be open, by the name that sources give as their server,
 * or by host and port. A PostgreSQL server that is not among them is asked.
 * @param discovery Whose databases environment variables may name.
 * @param catalog A table of sources in one of the declared ones.
 * @param liquibase Defaults and limits for migrating all sources.
 * @param web How a request's tenant is found.
 * @param cache How Spring's caches are kept apart.
 * @param jpa What Hibernate must know of the sources.
 * @param access Who may use which source.
 * @param fanOut How many sources are asked at the same time.
 * @param metrics Which meters of sources there are.
 * @param cli The command line.
 * @param health How sources are looked at.
 * @param page The operator's page.
 */
record TenancyProperties(@DefaultValue("true") boolean enabled, @DefaultValue("refuse") String noTenant,
		@DefaultValue List<Route> routes, @DefaultValue List<String> packages, @DefaultValue("1000") int maxOpen,
		@DefaultValue("wait") PoolLimits.WhenFull whenFull, @DefaultValue("10m") Duration idleTimeout,
		@DefaultValue("30s") Duration drainTimeout, @DefaultValue Map<String, Server> servers,
		@DefaultValue Discovery discovery, @DefaultValue Catalog catalog, @DefaultValue Liquibase liquibase,
		@DefaultValue Web web, @DefaultValue Cache cache, @DefaultValue Jpa jpa, @DefaultValue Access access,
		@DefaultValue FanOut fanOut, @DefaultValue Metrics metrics, @DefaultValue Cli cli, @DefaultValue Health health,
		@DefaultValue Page page) {

	PoolLimits limits() {
		Map<String, ServerSettings> settings = new HashMap<>();
		this.servers.forEach((name, server) -> settings.put(name, server.settings()));
		return new PoolLimits(this.maxOpen, this.whenFull, this.idleTimeout, this.drainTimeout, settings);
	}

	/**
	 * How many connections one database server may have from this process, and how many
	 * of its sources may be open.
	 *
	 * @param maxConnections How many connections the server has. By default a PostgreSQL
	 * server is asked; any other has no budget.
	 * @param reserve How many of them are left to others. By default 5 of what the server
	 * says, and none of max-connections.
	 * @param nodes How many processes share the rest evenly.
	 * @param maxOpen How many sources of the server may be open at the same time; the
	 * least recently used idle one of them gives way. 0 for as many as
	 * app.tenancy.max-open allows.
	 * @param sessionPooling Whether a proxy in front of PostgreSQL, such as PgBouncer,
	 * leaves each connection its session until it is closed. Without effect where there
	 * is none.
	 */
	record Server(@Nullable Integer maxConnections, @Nullable Integer reserve, @DefaultValue("1") int nodes,
			@DefaultValue("0") int maxOpen, @DefaultValue("false") boolean sessionPooling) {

		ServerSettings settings() {
			return new ServerSettings(this.maxConnections, this.reserve, this.nodes, this.maxOpen, this.sessionPooling);
		}

	}

	/**
	 * Whose databases environment variables may name, beside those of declared sources.
	 *
	 * @param names Names of sources that are looked up in the environment, as in
	 * AUTH_DATABASE_URL for auth; one that has none there and is not declared uses the
	 * source default, which may be DATABASE_URL.
	 */
	record Discovery(@DefaultValue List<String> names) {

	}

	/**
	 * How sources are looked at.
	 *
	 * @param cache How long what was found of an open source is good for those who ask
	 * next, whichever group or path of health they ask for. 0 to look each time.
	 */
	record Health(@DefaultValue("1s") Duration cache) {

	}

	/**
	 * A table of sources in one of the declared ones.
	 *
	 * @param source Declared source that has the catalog's tables, on SQLite or
	 * PostgreSQL. Without it there is no catalog.
	 * @param tablePrefix How the names of the catalog's tables begin.
	 * @param pollInterval How often the catalog is looked at when nobody tells of a
	 * change.
	 * @param permissions Whether users need permissions, which the catalog has, for its
	 * sources.
	 * @param allowedDrivers Products that URLs in the catalog may have, as they stand
	 * behind 'jdbc:'.
	 * @param parameters Parameters that URLs in the catalog may have beside those known
	 * to be harmless, by product.
	 * @param sqliteDirectory Directory below which SQLite files of the catalog must be.
	 * By default anywhere.
	 * @param credentials Which passwords the catalog may have.
	 */
	record Catalog(@Nullable String source, @DefaultValue("multidb_") String tablePrefix,
			@DefaultValue("10s") Duration pollInterval, @DefaultValue("false") boolean permissions, @DefaultValue( {
					"sqlite", "postgresql", "mysql", "mariadb" }) List<String> allowedDrivers,
			@DefaultValue Map<String, List<String>> parameters, @Nullable File sqliteDirectory,
			@DefaultValue Credentials credentials){

		/**
		 * What is made of it.
		 * @param properties looks up a property that a row refers to
		 * @throws IllegalArgumentException if something is wrong; the message is a
		 * sentence
		 */
		CatalogSettings settings(Function<String, @Nullable String> properties) {
			return new CatalogSettings(String.valueOf(this.source), this.tablePrefix, this.pollInterval,
					this.permissions, urls(), this.credentials.of(properties));
		}

		/** Which URLs may come from outside, be there a catalog or not. */
		UrlRules urls() {
			return new UrlRules(this.allowedDrivers, this.parameters,
					(this.sqliteDirectory != null) ? this.sqliteDirectory.toPath() : null);
		}

		/**
		 * Which passwords the catalog may have.
		 *
		 * @param references Beginnings of the names of properties that a password in the
		 * catalog may refer to, as in ${COURTS_NY_PASSWORD}. None by default.
		 * @param keys AES keys that decrypt passwords of the catalog, by their ids: 16 or
		 * 32 bytes in Base64.
		 * @param activeKey Id of the key that encrypts what is saved.
		 * @param plainText Whether passwords of the catalog may be readable.
		 */
		record Credentials(@DefaultValue List<String> references, @DefaultValue Map<String, String> keys,
				@Nullable String activeKey, @DefaultValue("false") boolean plainText) {

			CatalogCredentials of(Function<String, @Nullable String> properties) {
				return new CatalogCredentials(this.references, properties, this.keys, this.activeKey, this.plainText);
			}

			/** Keys are secret. */
			@Override
			public String toString() {
				return "Credentials[references=" + this.references + ", keys=" + this.keys.keySet() + "]";
			}

		}

	}

	/**
	 * One route.
	 *
	 * @param tenants Tenant ids or patterns: literal text with at most one * or {name}.
	 * @param source Source or template. May contain {tenant} and the patterns' names.
	 * @param sources Sources over which the tenants are spread, in place of source. Each
	 * tenant stays where it was placed at its first use.
	 * @param generation How often the list of sources was changed, beginning with 1,
	 * which is the default. To be raised by one with each change.
	 */
	record Route(@DefaultValue List<String> tenants, @Nullable String source, @Nullable List<String> sources,
			@Nullable Integer generation) {

	}

	/**
	 * Defaults and limits for migrating all sources.
	 *
	 * @param changeLog Change log of every source that has none of its own and is not
	 * internal. By default spring.liquibase.change-log, if that is set.
	 * @param contexts Contexts to run. By default spring.liquibase.contexts.
	 * @param labelFilter Labels to run. By default spring.liquibase.label-filter.
	 * @param parameters Values for the change logs' parameters, beside
	 * spring.liquibase.parameters.
	 * @param failFast Whether the start fails when a source cannot be migrated, or not in
	 * time.
	 * @param parallelism How many sources are migrated at a time when the application
	 * starts.
	 * @param startupTimeout How long the start waits for migrations in all; the rest goes
	 * on behind it.
	 */
	record Liquibase(@Nullable String changeLog, @DefaultValue List<String> contexts,
			@DefaultValue List<String> labelFilter, @DefaultValue Map<String, String> parameters,
			@DefaultValue("false") boolean failFast, @DefaultValue("4") int parallelism,
			@DefaultValue("60s") Duration startupTimeout) {

		/** Parameters may be secret. */
		@Override
		public String toString() {
			return "Liquibase[changeLog=" + this.changeLog + "]";
		}

	}

	/**
	 * How a request's tenant is found.
	 *
	 * @param resolvers Who is asked, in order: header, subdomain, path, session, cookie,
	 * principal, or the name of a TenantResolver bean. None by default.
	 * @param header The header resolver.
	 * @param subdomain The subdomain resolver.
	 * @param path The path resolver.
	 * @param session The session resolver.
	 * @param cookie The cookie resolver.
	 * @param principal The principal resolver.
	 * @param exclude Path patterns of requests that have no tenant. By default what lies
	 * under the actuator's base path and the page's path.
	 */
	record Web(@DefaultValue List<String> resolvers, @DefaultValue Header header, @DefaultValue Subdomain subdomain,
			@DefaultValue Path path, @DefaultValue Session session, @DefaultValue Cookie cookie,
			@DefaultValue Principal principal, @Nullable List<String> exclude) {

		/**
		 * The header resolver.
		 *
		 * @param name Header whose value is the tenant.
		 */
		record Header(@DefaultValue("X-Tenant-Id") String name) {

		}

		/**
		 * The subdomain resolver.
		 *
		 * @param domain Domain before which the tenant stands, such as example.com.
		 */
		record Subdomain(@Nullable String domain) {

		}

		/**
		 * The path resolver.
		 *
		 * @param pattern Path pattern with the variable {tenant}, such as
		 * /shops/{tenant}/**.
		 */
		record Path(@Nullable String pattern) {

		}

		/**
		 * The session resolver.
		 *
		 * @param attribute Attribute of the HTTP session whose value is the tenant.
		 */
		record Session(@DefaultValue("tenant") String attribute) {

		}

		/**
		 * The cookie resolver.
		 *
		 * @param name Cookie whose value is the tenant.
		 */
		record Cookie(@DefaultValue("tenant") String name) {

		}

		/**
		 * The principal resolver.
		 *
		 * @param claim Claim of the user's token that is the tenant. By default the
		 * tenant is the user's name.
		 */
		record Principal(@Nullable String claim) {

		}

	}

	/**
	 * How Spring's caches are kept apart.
	 *
	 * @param shared Names of caches whose entries all sources share, such as for exchange
	 * rates; * for all caches. In any other, each source has its own.
	 */
	record Cache(@DefaultValue Set<String> shared) {

	}

	/**
	 * How many sources are asked at the same time.
	 *
	 * @param timeout How long a fan-out takes at most that has no timeout of its own.
	 * @param threads How many threads work at the same time on SQLite sources, and how
	 * many on others, for all fan-outs.
	 * @param journal Where fan-outs are recorded.
	 */
	record FanOut(@DefaultValue("30s") Duration timeout, @DefaultValue("256") int threads,
			@DefaultValue Journal journal) {

		/**
		 * Where fan-outs are recorded.
		 *
		 * @param source Declared source that gets the table multidb_execution. Without
		 * one, nothing is recorded.
		 * @param keep How long what was recorded is kept. 0 for ever.
		 */
		record Journal(@Nullable String source, @DefaultValue("30d") Duration keep) {

		}

	}

	/**
	 * What Hibernate must know of the sources.
	 *
	 * @param products Database products that JPA is used with, such as sqlite and
	 * postgresql. By default those of the declared sources and templates.
	 * @param properties Settings of Hibernate for one product, below its name; for all,
	 * use spring.jpa.properties.
	 */
	record Jpa(@DefaultValue List<HibernateProduct> products,
			@DefaultValue Map<HibernateProduct, Map<String, String>> properties) {

	}

	/**
	 * Who may use which source; the rules are SourceAccess beans.
	 *
	 * @param audit What is told of uses and refusals.
	 */
	record Access(@DefaultValue Audit audit) {

		/**
		 * What is told of uses and refusals, as audit events of Spring Boot's.
		 *
		 * @param uses Whether uses are told, too, and not only refusals.
		 * @param interval How long the same user's use, or refusal, of the same source
		 * for the same tenant is not told again, but counted.
		 */
		record Audit(@DefaultValue("true") boolean uses, @DefaultValue("1m") Duration interval) {

		}

	}

	/**
	 * Which meters of sources there are.
	 *
	 * @param enabled Whether routes and leases are counted, and meters made of that.
	 * @param sources How many sources, and database servers, have meters of their own:
	 * those used most; the rest is summed up as 'other'.
	 * @param timedLeases One lease of so many is timed, and stands for the others. 1
	 * times each.
	 * @param hikari Which of HikariCP's and Spring Boot's own meters of pools there are,
	 * too.
	 */
	record Metrics(@DefaultValue("true") boolean enabled, @DefaultValue("100") int sources,
			@DefaultValue("16") int timedLeases, @DefaultValue("none") HikariMeters hikari) {

	}

	/**
	 * The command line.
	 *
	 * @param enabled Whether the first argument 'datasources' runs a command in the place
	 * of the application.
	 */
	record Cli(@DefaultValue("true") boolean enabled) {

	}

	/**
	 * The operator's page.
	 *
	 * @param enabled Whether there is a page, on the server that has the actuator's
	 * endpoints.
	 * @param path Where it is.
	 * @param unprotected Whether the application starts even if its security lets
	 * everybody see the page.
	 */
	record Page(@DefaultValue("false") boolean enabled, @DefaultValue("/datasources") String path,
			@DefaultValue("false") boolean unprotected) {

	}

}
