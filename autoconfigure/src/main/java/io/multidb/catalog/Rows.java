package io.multidb.catalog;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.json.JsonParseException;
import org.springframework.boot.json.JsonParser;
import org.springframework.boot.json.JsonParserFactory;
import org.springframework.boot.json.JsonWriter;
import org.springframework.util.StringUtils;

import io.multidb.source.JdbcUrl;
import io.multidb.source.SourceDefinition;

/**
 * Turns rows into definitions, and says what is wrong with them. Immutable and
 * thread-safe.
 */
final class Rows {

	private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}");

	/** Made once: finding out which library there is takes longer than parsing. */
	private static final JsonParser PARSER = JsonParserFactory.getJsonParser();

	private static final JsonWriter<Map<String, String>> JSON = JsonWriter.standard();

	private final String catalog;

	private final UrlRules urls;

	private final CatalogCredentials credentials;

	Rows(String catalog, UrlRules urls, CatalogCredentials credentials) {
		this.catalog = catalog;
		this.urls = urls;
		this.credentials = credentials;
	}

	/**
	 * The definition that a row stands for.
	 * @throws IllegalArgumentException if it is none; the message is a sentence behind
	 * the source's name, and has no secret in it
	 */
	SourceDefinition define(CatalogSource row) {
		if (!NAME.matcher(row.name()).matches()) {
			throw new IllegalArgumentException("its name is none: use 1 to 64 of A-Z, a-z, 0-9, '-', '_' and '.'.");
		}
		String url = check("URL", () -> this.urls.check(row.url()));
		String password = check("password", () -> this.credentials.resolve(row.name(), row.password()));
		Map<String, String> attributes = new LinkedHashMap<>(row.attributes());
		put(attributes, "display-name", row.displayName());
		put(attributes, "type", row.type());
		put(attributes, "jurisdiction", row.jurisdiction());
		attributes.put("searchable", String.valueOf(row.searchable()));
		return SourceDefinition.named(row.name())
			.url(String.valueOf(url))
			.username(StringUtils.hasText(row.username()) ? row.username() : null)
			.password(password)
			.attributes(attributes)
			.readOnly(row.readOnly())
			.essential(false)
			.origin(origin(row.name()))
			.build();
	}

	private String origin(String row) {
		return this.catalog + ", row " + row;
	}

	/** Whether a definition is that of a row, be it of one that is no longer there. */
	boolean isOrigin(String row, SourceDefinition definition) {
		return definition.origin().equals(origin(row));
	}

	/** What is written for a row's password. */
	@Nullable String stored(CatalogSource row) {
		return check("password", () -> this.credentials.store(row.name(), row.password()));
	}

	private interface Check {

		@Nullable String run();

	}

	private static @Nullable String check(String what, Check check) {
		try {
			return check.run();
		}
		catch (IllegalArgumentException ex) {
			throw new IllegalArgumentException("its " + what + " " + ex.getMessage() + ".");
		}
	}

	private static void put(Map<String, String> attributes, String key, @Nullable String value) {
		if (value != null) {
			attributes.put(key, value);
		}
	}

	/**
	 * Reads the column of attributes.
	 * @throws IllegalArgumentException if it is no JSON object
	 */
	static Map<String, String> attributes(@Nullable String json) {
		if (!StringUtils.hasText(json)) {
			return Map.of();
		}
		Map<String, String> attributes = new TreeMap<>();
		try {
			PARSER.parseMap(json).forEach((key, value) -> {
				if (value != null) {
					attributes.put(key, String.valueOf(value));
				}
			});
		}
		catch (JsonParseException ex) {
			throw new IllegalArgumentException("its attributes are no JSON object such as {\"court\": \"appeals\"}.");
		}
		return attributes;
	}

	static @Nullable String json(Map<String, String> attributes) {
		return attributes.isEmpty() ? null : JSON.writeToString(new TreeMap<>(attributes));
	}

	static String masked(String url) {
		return JdbcUrl.mask(url);
	}

}
