package io.multidb.source;

import java.util.List;
import java.util.Map;

import org.jspecify.annotations.Nullable;

/**
 * How a source is migrated. Plain values: Liquibase itself need not be there.
 *
 * @param changeLog the location of the change log, such as
 * {@code classpath:db/changelog.yaml}; {@code null} means that the source is not migrated
 * @param contexts the contexts to run; empty means all
 * @param labelFilter the labels to run; empty means all
 * @param parameters values for the change log's <code>${…}</code> parameters
 */
public record LiquibaseSettings(@Nullable String changeLog, List<String> contexts, List<String> labelFilter,
		Map<String, String> parameters) {

	/** Not migrated. */
	public static final LiquibaseSettings NONE = new LiquibaseSettings(null, List.of(), List.of(), Map.of());

	public LiquibaseSettings {
		contexts = List.copyOf(contexts);
		labelFilter = List.copyOf(labelFilter);
		parameters = Map.copyOf(parameters);
	}

	/**
	 * Settings with a change log and nothing else.
	 * @param changeLog the location of the change log
	 * @return the settings
	 */
	public static LiquibaseSettings of(String changeLog) {
		return new LiquibaseSettings(changeLog, List.of(), List.of(), Map.of());
	}

	/** Parameters may hold secrets. */
	@Override
	public String toString() {
		return "LiquibaseSettings[changeLog=" + this.changeLog + ", contexts=" + this.contexts + ", labelFilter="
				+ this.labelFilter + ", parameters=" + this.parameters.keySet() + "]";
	}

}
