package io.multidb.source;

import java.nio.charset.StandardCharsets;
import java.util.Locale;

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
		if (!names.fills(definition.url().text())) {
			throw new IllegalArgumentException(
					"The URL of template '" + definition.name() + "' has no placeholder that '" + names + "' can fill");
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
		if (template.product() == DatabaseProduct.POSTGRESQL) {
			int bytes = url.databaseName().getBytes(StandardCharsets.UTF_8).length;
			if (bytes > POSTGRESQL_MAX_NAME_BYTES) {
				throw new InvalidTenantException(tenant, "Its database name '" + url.databaseName() + "' has " + bytes
						+ " bytes; PostgreSQL would cut it off at " + POSTGRESQL_MAX_NAME_BYTES + ".");
			}
		}
		return SourceDefinition.named(tenant)
			.url(url.text())
			.username(template.username())
			.password(template.password())
			.driverClassName(template.driverClassName())
			.hikari(template.hikari())
			.liquibase(template.liquibase())
			.essential(template.essential())
			.attributes(template.attributes())
			.origin("template '" + template.name() + "' in " + template.origin())
			.template(template.name(), this.create, this.maintenance)
			.build();
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
