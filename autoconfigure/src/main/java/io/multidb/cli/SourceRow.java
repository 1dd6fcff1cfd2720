package io.multidb.cli;

import java.util.Locale;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;

import io.multidb.source.DatabaseProduct;
import io.multidb.source.MigrationState;
import io.multidb.source.SourceDefinition;

/**
 * What is known of one source.
 *
 * @param definition how it is defined
 * @param state a word
 * @param migrations how far it has been migrated; {@code null} if that is not known
 * @param problem what is wrong, without secrets; {@code null} for nothing
 */
record SourceRow(SourceDefinition definition, String state, @Nullable MigrationState migrations,
		@Nullable String problem) {

	/** It answers. */
	static final String UP = "up";

	/** It does not. */
	static final String DOWN = "down";

	/** Its database is made at its first use. */
	static final String ABSENT = "absent";

	/** It is none, but makes some. */
	static final String TEMPLATE = "template";

	private static final Pattern SUBPROTOCOL = Pattern.compile("jdbc:([^:]+):.*", Pattern.DOTALL);

	String name() {
		return this.definition.name();
	}

	String migrationsText() {
		if (this.definition.liquibase().changeLog() == null) {
			return "none";
		}
		return switch (this.state) {
			case TEMPLATE -> "";
			case ABSENT -> "none run";
			default -> (this.migrations != null)
					? this.migrations.run() + " run"
							+ ((this.migrations.pending() > 0) ? ", " + this.migrations.pending() + " pending" : "")
					: "unknown";
		};
	}

	String product() {
		return product(this.definition);
	}

	static String product(SourceDefinition definition) {
		DatabaseProduct product = definition.url().product();
		Matcher subprotocol = SUBPROTOCOL.matcher(definition.url().masked());
		return (product == DatabaseProduct.OTHER && subprotocol.matches())
				? Objects.requireNonNull(subprotocol.group(1)) : product.toString().toLowerCase(Locale.ROOT);
	}

}
