package io.multidb.source;

import java.util.HashMap;
import java.util.Map;
import java.util.Objects;

import org.jspecify.annotations.Nullable;

/**
 * Everything that is known about a source before it is opened. Immutable; never prints a
 * secret. <pre>
 * SourceDefinition.named("lisbon").url("jdbc:sqlite:lisbon.db").build()
 * </pre>
 *
 * @param name the source's name
 * @param url the JDBC URL
 * @param username the user, or {@code null} when the URL or the product needs none
 * @param password the password, or {@code null} for none
 * @param driverClassName the driver, or {@code null} to take the one that accepts the URL
 * @param hikari pool settings by HikariCP's property names, such as
 * {@code maximum-pool-size}
 * @param liquibase how it is migrated
 * @param essential whether the application is down when the source is
 * @param internal whether tenants can never reach it
 * @param maintenance the source on which a template's {@code CREATE DATABASE} runs, or
 * {@code null} for none
 * @param server whose budget its connections come from, and among whose open sources it
 * counts, or {@code null} for that of the URL's host and port
 * @param create when a missing database is made; only for sources of a template
 * @param copied whether a missing database may be made as a copy of another one; only for
 * sources of a template
 * @param attributes free data of the application's own
 * @param template the template it was made from, or {@code null} for none
 * @param readOnly whether it refuses writes, and is never migrated
 * @param replicas which sources are its replicas
 * @param fallback which source is used while this one is unavailable, or {@code null} for
 * none
 * @param temporary whether it is being made, under a name that nothing else uses
 * @param origin where the definition comes from, for people, such as a file and line
 */
public record SourceDefinition(String name, JdbcUrl url, @Nullable String username, @Nullable String password,
		@Nullable String driverClassName, Map<String, String> hikari, LiquibaseSettings liquibase, boolean essential,
		boolean internal, @Nullable String maintenance, @Nullable String server, CreatePolicy create, boolean copied,
		Map<String, String> attributes, @Nullable String template, boolean readOnly, ReplicaSettings replicas,
		@Nullable FallbackSettings fallback, boolean temporary, String origin) {

	/**
	 * A replica that gives no connection for so long is left out; the primary is there.
	 */
	private static final String REPLICA_CONNECTION_TIMEOUT = "2000";

	public SourceDefinition {
		Objects.requireNonNull(name, "name");
		Objects.requireNonNull(url, "url");
		hikari = Map.copyOf(hikari);
		attributes = Map.copyOf(attributes);
	}

	/**
	 * Starts a definition.
	 * @param name the source's name
	 * @return a builder
	 */
	public static Builder named(String name) {
		return new Builder(name);
	}

	/**
	 * As a replica of another source: read-only, never migrated, reached by no tenant.
	 */
	SourceDefinition asReplica() {
		Map<String, String> pool = new HashMap<>(this.hikari);
		if (this.hikari.keySet().stream().noneMatch((key) -> SourceRegistry.fold(key).equals("connectiontimeout"))) {
			pool.put("connection-timeout", REPLICA_CONNECTION_TIMEOUT);
		}
		return new SourceDefinition(this.name, this.url, this.username, this.password, this.driverClassName, pool,
				LiquibaseSettings.NONE, this.essential, true, this.maintenance, this.server, this.create, this.copied,
				this.attributes, this.template, true, this.replicas, this.fallback, this.temporary, this.origin);
	}

	/**
	 * The same source at another address, or with other credentials.
	 * @param url the JDBC URL
	 * @param username the user, or {@code null} for none
	 * @param password the password, or {@code null} for none
	 * @return a definition that has all else of this one
	 */
	public SourceDefinition at(String url, @Nullable String username, @Nullable String password) {
		return new SourceDefinition(this.name, new JdbcUrl(url), username, password, this.driverClassName, this.hikari,
				this.liquibase, this.essential, this.internal, this.maintenance, this.server, this.create, this.copied,
				this.attributes, this.template, this.readOnly, this.replicas, this.fallback, this.temporary,
				this.origin);
	}

	/** The product behind the URL. */
	DatabaseProduct product() {
		return this.url.product();
	}

	/** The name of a property of this source, as the user would write it. */
	String property(String key) {
		if (this.origin.equals("spring.datasource")) {
			return "'" + this.origin + "." + key + "'";
		}
		if (this.origin.startsWith("catalog '")) {
			// The column of a row.
			return "'" + key + "' of " + this.origin;
		}
		return "'app.datasources." + ((this.template != null) ? this.template : this.name) + "." + key + "'";
	}

	/**
	 * Any text without what is secret of this source, in whatever form a driver quotes
	 * it; a long one is cut.
	 * @param text the text
	 * @return the text with {@code ***} in place of secrets
	 */
	public String masked(String text) {
		return ConnectFailure.withoutSecrets(this, text);
	}

	/**
	 * A failure without what is secret of this source, to be logged or told to others.
	 * @param failure what was thrown
	 * @return the failure itself or, if a message in its chain of causes has a secret in
	 * it, a copy of the chain without
	 */
	public Throwable masked(Throwable failure) {
		return ConnectFailure.withoutSecrets(this, failure);
	}

	@Override
	public String toString() {
		return "SourceDefinition[name=" + this.name + ", url=" + this.url + ", username=" + this.username
				+ ", password=" + ((this.password != null) ? "***" : "none") + ", origin=" + this.origin + "]";
	}

	/**
	 * Builds a {@link SourceDefinition}. Not thread-safe.
	 */
	public static final class Builder {

		private final String name;

		private String url = "";

		private @Nullable String username;

		private @Nullable String password;

		private @Nullable String driverClassName;

		private Map<String, String> hikari = Map.of();

		private LiquibaseSettings liquibase = LiquibaseSettings.NONE;

		private boolean essential = true;

		private boolean internal;

		private @Nullable String maintenance;

		private @Nullable String server;

		private CreatePolicy create = CreatePolicy.NEVER;

		private boolean copied = true;

		private Map<String, String> attributes = Map.of();

		private @Nullable String template;

		private boolean readOnly;

		private ReplicaSettings replicas = ReplicaSettings.NONE;

		private @Nullable FallbackSettings fallback;

		private boolean temporary;

		private String origin = "the API";

		private Builder(String name) {
			this.name = name;
		}

		/**
		 * Sets the JDBC URL, which every definition needs.
		 * @param url the URL
		 * @return this builder
		 */
		public Builder url(String url) {
			this.url = url;
			return this;
		}

		/**
		 * Sets the user; none by default.
		 * @param username the user, or {@code null}
		 * @return this builder
		 */
		public Builder username(@Nullable String username) {
			this.username = username;
			return this;
		}

		/**
		 * Sets the password; none by default.
		 * @param password the password, or {@code null}
		 * @return this builder
		 */
		public Builder password(@Nullable String password) {
			this.password = password;
			return this;
		}

		/**
		 * Sets the driver's class; by default the driver that accepts the URL is taken.
		 * @param driverClassName the class, or {@code null}
		 * @return this builder
		 */
		public Builder driverClassName(@Nullable String driverClassName) {
			this.driverClassName = driverClassName;
			return this;
		}

		/**
		 * Sets pool settings by HikariCP's property names; none by default.
		 * @param hikari the settings
		 * @return this builder
		 */
		public Builder hikari(Map<String, String> hikari) {
			this.hikari = hikari;
			return this;
		}

		/**
		 * Sets how the source is migrated; not at all by default.
		 * @param liquibase the settings
		 * @return this builder
		 */
		public Builder liquibase(LiquibaseSettings liquibase) {
			this.liquibase = liquibase;
			return this;
		}

		/**
		 * Sets whether the application is down when the source is; {@code true} by
		 * default.
		 * @param essential whether it is
		 * @return this builder
		 */
		public Builder essential(boolean essential) {
			this.essential = essential;
			return this;
		}

		/**
		 * Sets whether tenants can never reach the source; {@code false} by default.
		 * @param internal whether it is hidden from tenants
		 * @return this builder
		 */
		public Builder internal(boolean internal) {
			this.internal = internal;
			return this;
		}

		/**
		 * Sets, for a template, whether its databases may be copies of the first one that
		 * was filled; {@code true} by default.
		 * @param copied whether they may
		 * @return this builder
		 */
		public Builder copied(boolean copied) {
			this.copied = copied;
			return this;
		}

		/**
		 * Sets the server whose budget the source's connections come from, and among
		 * whose open sources it counts; by default that of the URL's host and port.
		 * SQLite has no server.
		 * @param server the name under {@code app.tenancy.servers}, or {@code null}
		 * @return this builder
		 */
		public Builder server(@Nullable String server) {
			this.server = server;
			return this;
		}

		/**
		 * Sets the application's own data; none by default.
		 * @param attributes the data
		 * @return this builder
		 */
		public Builder attributes(Map<String, String> attributes) {
			this.attributes = attributes;
			return this;
		}

		/**
		 * Sets whether the source refuses writes; {@code false} by default.
		 * @param readOnly whether it does
		 * @return this builder
		 */
		public Builder readOnly(boolean readOnly) {
			this.readOnly = readOnly;
			return this;
		}

		/**
		 * Sets which other sources are replicas of this one; none by default. They become
		 * read-only and internal.
		 * @param replicas the settings
		 * @return this builder
		 */
		public Builder replicas(ReplicaSettings replicas) {
			this.replicas = replicas;
			return this;
		}

		/**
		 * Sets which other source is used while this one is unavailable; none by default.
		 * @param fallback the settings, or {@code null} for none
		 * @return this builder
		 */
		public Builder fallback(@Nullable FallbackSettings fallback) {
			this.fallback = fallback;
			return this;
		}

		/**
		 * Sets where the definition comes from, for people; "the API" by default.
		 * @param origin the origin
		 * @return this builder
		 */
		public Builder origin(String origin) {
			this.origin = origin;
			return this;
		}

		Builder temporary() {
			this.temporary = true;
			return this;
		}

		Builder template(String template, CreatePolicy create, @Nullable String maintenance) {
			this.template = template;
			this.create = create;
			this.maintenance = maintenance;
			return this;
		}

		/**
		 * Builds the definition.
		 * @return the definition
		 * @throws IllegalArgumentException if there is no URL
		 */
		public SourceDefinition build() {
			if (!this.url.startsWith("jdbc:")) {
				throw new IllegalArgumentException(
						"Source '" + this.name + "' needs a JDBC URL that starts with 'jdbc:'");
			}
			return new SourceDefinition(this.name, new JdbcUrl(this.url), this.username, this.password,
					this.driverClassName, this.hikari, this.liquibase, this.essential, this.internal, this.maintenance,
					this.server, this.create, this.copied, this.attributes, this.template, this.readOnly, this.replicas,
					this.fallback, this.temporary, this.origin);
		}

	}

}
