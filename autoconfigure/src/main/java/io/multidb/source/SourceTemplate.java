package io.multidb.source;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;

import org.jspecify.annotations.Nullable;

import io.multidb.InvalidTenantException;

/**
 * A definition with a placeholder in its URL: one database per tenant. Its sources are
 * named by their tenant. Immutable.
 *
 * @param names which tenants it serves, the pattern of its one route
 * @param definition the definition; its URL has a placeholder of the pattern
 * @param create when a missing database is made
 * @param maintenance the source on which {@code CREATE DATABASE} runs, or {@code null}
 * for none
 */
public record SourceTemplate(NamePattern names, SourceDefinition definition, CreatePolicy create,
		@Nullable String maintenance) {

	/** PostgreSQL cuts longer names off silently (NAMEDATALEN - 1). */
	private static final int POSTGRESQL_MAX_NAME_BYTES = 63;

	public SourceTemplate {
		if (!definition.replicas().sources().isEmpty()) {
			throw new IllegalArgumentException("The template '" + definition.name()
					+ "' has 'replicas', which only a source can have, not each of a template's");
		}
		if (definition.readOnly() && create != CreatePolicy.NEVER) {
			throw new IllegalArgumentException("The template '" + definition.name()
					+ "' is 'read-only: true', so it can make no database:" + " remove 'create', or 'read-only'");
		}
		if (!names.fills(definition.url().text())) {
			throw new IllegalArgumentException(
					"The URL of template '" + definition.name() + "' has no placeholder that '" + names + "' can fill");
		}
		if (definition.url().databaseKey().indexOf('{') < 0) {
			throw new IllegalArgumentException("The placeholder in the URL of template '" + definition.name()
					+ "' is in no part that names a database, so all tenants would share one");
		}
	}

	/**
	 * The template's name.
	 * @return the name under {@code app.datasources}
	 */
	public String name() {
		return this.definition.name();
	}

	/**
	 * The definition of one tenant's source.
	 * @param tenant a tenant that matches the template's pattern
	 * @return the definition, named by the tenant
	 * @throws InvalidTenantException if no safe and unique database name can be made of
	 * it
	 */
	SourceDefinition define(String tenant) {
		String captured = this.names.captured(tenant);
		if (captured.startsWith(".")) {
			throw new InvalidTenantException(tenant,
					"The part '" + captured + "' for '" + this.names + "' must not begin with a dot.");
		}
		SourceDefinition template = this.definition;
		boolean sqlite = template.product() == DatabaseProduct.SQLITE;
		JdbcUrl url = new JdbcUrl(sqlite ? this.names.fill(template.url().text(), fileName(tenant), fileName(captured))
				: this.names.fill(template.url().text(), tenant, captured));
		refuseAmbiguous(tenant, url);
		return SourceDefinition.named(tenant)
			.url(url.text())
			.username(template.username())
			.password(template.password())
			.driverClassName(template.driverClassName())
			.hikari(template.hikari())
			.liquibase(template.liquibase())
			.essential(template.essential())
			.server(template.server())
			.attributes(template.attributes())
			.readOnly(template.readOnly())
			.origin("template '" + template.name() + "' in " + template.origin())
			.copied(template.copied() && isAlikeForAll())
			.template(template.name(), this.create, this.maintenance)
			.build();
	}

	/**
	 * Only a SQLite file's name is escaped, and only the name of a PostgreSQL database
	 * has its case: schemas and hosts ignore it, and other products may.
	 */
	private void refuseAmbiguous(String tenant, JdbcUrl url) {
		SourceDefinition template = this.definition;
		JdbcUrl templateUrl = template.url();
		boolean exact = switch (template.product()) {
			case SQLITE -> true;
			case POSTGRESQL -> !this.names.fills(templateUrl.withDatabaseName("x").text());
			case OTHER -> false;
		};
		if (!exact && !tenant.equals(tenant.toLowerCase(Locale.ROOT))) {
			throw new InvalidTenantException(tenant,
					"The template '" + template.name()
							+ "' puts it where case is ignored, so it could not be told from '"
							+ tenant.toLowerCase(Locale.ROOT) + "'.");
		}
		if (template.product() == DatabaseProduct.POSTGRESQL) {
			refuseTooLong(tenant, url.databaseName());
			refuseTooLong(tenant, Objects.requireNonNullElse(url.schema(), ""));
		}
	}

	/**
	 * Whether the tenants' databases differ in their names only, and not, say, in their
	 * schemas or servers.
	 */
	private boolean isAlikeForAll() {
		JdbcUrl url = this.definition.url();
		return switch (this.definition.product()) {
			case SQLITE -> !this.names.fills(url.withSqliteFile(Path.of("x")).text());
			case POSTGRESQL -> !this.names.fills(url.withDatabaseName("x").text());
			case OTHER -> false;
		};
	}

	private static void refuseTooLong(String tenant, String name) {
		int bytes = name.getBytes(StandardCharsets.UTF_8).length;
		if (bytes > POSTGRESQL_MAX_NAME_BYTES) {
			throw new InvalidTenantException(tenant, "Its database or schema '" + name + "' has " + bytes
					+ " bytes; PostgreSQL would cut it off at " + POSTGRESQL_MAX_NAME_BYTES + ".");
		}
	}

	/**
	 * Whether two templates could make the same database of two tenants: what stands
	 * before their placeholders, and what stands behind, may be part of a name.
	 */
	boolean mayOverlap(SourceTemplate other) {
		String mine = this.definition.url().databaseKey();
		String theirs = other.definition.url().databaseKey();
		String before = mine.substring(0, mine.indexOf('{'));
		String behind = mine.substring(mine.lastIndexOf('}') + 1);
		String theirBefore = theirs.substring(0, theirs.indexOf('{'));
		String theirBehind = theirs.substring(theirs.lastIndexOf('}') + 1);
		return (before.startsWith(theirBefore) || theirBefore.startsWith(before))
				&& (behind.endsWith(theirBehind) || theirBehind.endsWith(behind));
	}

	/**
	 * Some file systems ignore case, so {@code Acme} becomes {@code =acme}: a tenant id
	 * has no '=', so that no two ids share a file.
	 */
	private static String fileName(String text) {
		StringBuilder name = new StringBuilder(text.length());
		for (int i = 0; i < text.length(); i++) {
			char c = text.charAt(i);
			if (c >= 'A' && c <= 'Z') {
				name.append('=');
			}
			name.append(c);
		}
		return name.toString().toLowerCase(Locale.ROOT);
	}

}
