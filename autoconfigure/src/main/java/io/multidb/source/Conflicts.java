package io.multidb.source;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

import org.jspecify.annotations.Nullable;

/**
 * What speaks against a definition beside the sources and templates that are there, as
 * sentences for whoever wrote it. Thread-safe as far as the sources are; two definitions
 * that are checked at the same time do not see each other.
 */
final class Conflicts {

	private final Map<String, Source> sources;

	private final Map<String, SourceTemplate> templates;

	/** How many sources give a name as their fallback. */
	private final Map<String, Integer> fallbacks = new ConcurrentHashMap<>();

	/** How many sources give a name as their replica. */
	private final Map<String, Integer> replicas = new ConcurrentHashMap<>();

	/**
	 * Creates it.
	 * @param sources all that are there, by name; may change
	 * @param templates all that there are, by name
	 */
	Conflicts(Map<String, Source> sources, Map<String, SourceTemplate> templates) {
		this.sources = sources;
		this.templates = templates;
	}

	/** A definition is one of those that are there now. */
	void admitted(SourceDefinition definition) {
		FallbackSettings fallback = definition.fallback();
		if (fallback != null) {
			this.fallbacks.merge(fallback.source(), 1, Integer::sum);
		}
		definition.replicas().sources().forEach((name) -> this.replicas.merge(name, 1, Integer::sum));
	}

	/** It is none of them any more. */
	void removed(SourceDefinition definition) {
		FallbackSettings fallback = definition.fallback();
		if (fallback != null) {
			oneLess(this.fallbacks, fallback.source());
		}
		definition.replicas().sources().forEach((name) -> oneLess(this.replicas, name));
	}

	private static void oneLess(Map<String, Integer> counts, String name) {
		counts.computeIfPresent(name, (known, count) -> (count > 1) ? count - 1 : null);
	}

	/** What speaks against a template beside those that came before it. */
	List<String> ofTemplate(SourceTemplate template) {
		List<String> mistakes = new ArrayList<>();
		for (SourceTemplate before : this.templates.values()) {
			if (before.mayOverlap(template)) {
				mistakes.add("The templates '" + before.name() + "' and '" + template.name()
						+ "' could make the same database of two tenants, by " + before.definition().url().masked()
						+ " and " + template.definition().url().masked()
						+ ": begin their names differently, or use two directories.");
			}
		}
		if (template.definition().fallback() != null) {
			mistakes.add(template.definition().property("fallback")
					+ " is not for templates: all their tenants would share one database.");
		}
		return mistakes;
	}

	/** What speaks against defining a source anew. */
	List<String> ofReplacement(SourceDefinition former, SourceDefinition replacement) {
		List<String> mistakes = new ArrayList<>(ofPool(replacement));
		if (!former.replicas().equals(replacement.replicas())) {
			mistakes.add("Source '" + former.name()
					+ "' cannot be replaced by one with other 'replicas': remove it, and add it again.");
		}
		if (!Objects.equals(former.fallback(), replacement.fallback())) {
			mistakes.add("Source '" + former.name()
					+ "' cannot be replaced by one with another 'fallback': remove it, and add it again.");
		}
		else if (former.fallback() != null && this.sources.containsKey(former.fallback().source())) {
			mistakes.addAll(ofFallback(replacement));
		}
		mistakes.addAll(asFallback(replacement));
		if (replacement.readOnly() && replacement.liquibase().changeLog() != null) {
			mistakes.add(readOnlyButMigrated(replacement));
		}
		for (String name : former.replicas().sources()) {
			Source replica = this.sources.get(name);
			String mistake = (replica != null) ? mistake(replacement, replica.definition()) : null;
			if (mistake != null) {
				mistakes.add(replacement.property("replicas") + " names '" + name + "', " + mistake + ".");
			}
		}
		Source primary = primaryOf(former.name());
		String mistake = (primary != null) ? mistake(primary.definition(), replacement) : null;
		if (primary != null && mistake != null) {
			mistakes
				.add(primary.definition().property("replicas") + " names '" + former.name() + "', " + mistake + ".");
		}
		return mistakes;
	}

	/** What speaks against adding a source to those that are there. */
	List<String> ofAddition(SourceDefinition definition) {
		List<String> mistakes = ofPool(definition);
		mistakes = mistakes.isEmpty() ? ofReplicas(definition) : mistakes;
		mistakes = mistakes.isEmpty() ? ofFallback(definition) : mistakes;
		mistakes = mistakes.isEmpty() ? asFallback(definition) : mistakes;
		return mistakes.isEmpty() ? fallbacksAmongReplicas(definition) : mistakes;
	}

	private static List<String> ofPool(SourceDefinition definition) {
		return PoolSettings.mistakes(definition.hikari())
			.stream()
			.map((mistake) -> "Source '" + definition.name() + "': " + mistake + ".")
			.toList();
	}

	static String readOnlyButMigrated(SourceDefinition definition) {
		return "Source '" + definition.name() + "' is read-only, so it cannot be migrated with "
				+ definition.liquibase().changeLog() + ": remove one of both.";
	}

	static String sameDatabase(String owner, SourceDefinition definition) {
		return "The sources '" + owner + "' and '" + definition.name() + "' have the same database, "
				+ definition.url().masked() + ": route both tenants to one source, or correct one URL.";
	}

	/** What speaks against a definition beside others, none of which need be there. */
	static List<String> among(SourceDefinition definition, Collection<SourceDefinition> others) {
		String name = SourceRegistry.fold(definition.name());
		String database = definition.url().databaseKey();
		for (SourceDefinition other : others) {
			if (other.name().equals(definition.name())) {
				continue;
			}
			if (SourceRegistry.fold(other.name()).equals(name)) {
				return List.of(sameName(other.name(), definition.name()));
			}
			if (other.url().databaseKey().equals(database)) {
				return List.of(sameDatabase(other.name(), definition));
			}
		}
		return List.of();
	}

	/** What speaks against the replicas of a source, all of which are admitted before. */
	List<String> ofReplicas(SourceDefinition primary) {
		if (primary.replicas().sources().isEmpty()) {
			return List.of();
		}
		List<String> mistakes = new ArrayList<>();
		Set<String> before = new HashSet<>();
		for (String name : primary.replicas().sources()) {
			Source replica = this.sources.get(name);
			String mistake = (replica == null) ? "which is no source" : mistake(primary, replica.definition());
			if (mistake == null && !before.add(name)) {
				mistake = "twice";
			}
			Source other = (mistake != null) ? null : primaryOf(name);
			if (other != null && !other.name().equals(primary.name())) {
				mistake = "which is a replica of '" + other.name() + "' already";
			}
			if (mistake != null) {
				mistakes.add(primary.property("replicas") + " names '" + name + "', " + mistake + ".");
			}
		}
		return mistakes;
	}

	private static @Nullable String mistake(SourceDefinition primary, SourceDefinition replica) {
		JdbcUrl original = primary.url();
		JdbcUrl copy = replica.url();
		if (replica.name().equals(primary.name())) {
			return "itself";
		}
		if (replica.template() != null) {
			return "which a template makes";
		}
		if (!replica.replicas().sources().isEmpty()) {
			return "which has replicas of its own: name all of them here";
		}
		if (!replica.readOnly() || !replica.internal()) {
			return "which is not read-only and internal; a source that is there cannot be made so";
		}
		if (primary.product() != replica.product()) {
			return "which is of another product: " + copy.masked() + ", not " + original.masked();
		}
		if (primary.product() == DatabaseProduct.POSTGRESQL && (!original.databaseName().equals(copy.databaseName())
				|| !Objects.equals(original.schema(), copy.schema()))) {
			return "which is another database or schema: " + copy.masked() + ", not " + original.masked();
		}
		return null;
	}

	/** What speaks against the fallback of a source, which is admitted before. */
	List<String> ofFallback(SourceDefinition definition) {
		FallbackSettings settings = definition.fallback();
		if (settings == null) {
			return List.of();
		}
		String property = definition.property("fallback");
		Source primary = primaryOf(definition.name());
		if (primary != null) {
			return List.of(property + " is not for replicas, and '" + definition.name() + "' is one of '"
					+ primary.name() + "'.");
		}
		for (SourceTemplate template : this.templates.values()) {
			if (definition.name().equals(template.maintenance())) {
				return List.of(property + " would let databases of the template '" + template.name()
						+ "', whose 'maintenance' it is, be made elsewhere.");
			}
		}
		if (!settings.readOnly() && definition.readOnly()) {
			return List.of(definition.property("fallback-read-only") + " is false, and the source is read-only.");
		}
		Source fallback = this.sources.get(settings.source());
		String mistake = (fallback != null) ? mistake(definition, settings, fallback.definition())
				: this.templates.containsKey(settings.source())
						? "which is a template: all tenants of the source share one database" : "which is no source";
		return (mistake != null) ? List.of(property + " names '" + settings.source() + "', " + mistake + ".")
				: List.of();
	}

	private @Nullable String mistake(SourceDefinition definition, FallbackSettings settings,
			SourceDefinition fallback) {
		if (fallback.name().equals(definition.name())) {
			return "itself";
		}
		if (fallback.template() != null) {
			return "which a template makes";
		}
		if (fallback.fallback() != null) {
			return "which has a fallback of its own: that would not be followed";
		}
		Source primary = primaryOf(fallback.name());
		if (primary != null) {
			return "which is a replica of '" + primary.name() + "'";
		}
		if (definition.product() != fallback.product()) {
			return "which is of another product: " + fallback.url().masked() + ", not " + definition.url().masked();
		}
		if (!settings.readOnly() && fallback.readOnly()) {
			return "which is read-only, while " + definition.property("fallback-read-only") + " is false";
		}
		return null;
	}

	private List<String> fallbacksAmongReplicas(SourceDefinition primary) {
		return primary.replicas()
			.sources()
			.stream()
			.filter(this.fallbacks::containsKey)
			.filter((replica) -> this.sources.values()
				.stream()
				.map((source) -> source.definition().fallback())
				.anyMatch((settings) -> settings != null && settings.source().equals(replica)))
			.map((replica) -> primary.property("replicas") + " names '" + replica
					+ "', which is the fallback of another source.")
			.toList();
	}

	/** What speaks against a source as the fallback of those that name it. */
	private List<String> asFallback(SourceDefinition fallback) {
		List<String> mistakes = new ArrayList<>();
		if (this.fallbacks.containsKey(fallback.name())) {
			for (Source source : inOrder()) {
				SourceDefinition definition = source.definition();
				FallbackSettings settings = definition.fallback();
				String mistake = (settings != null && settings.source().equals(fallback.name()))
						? mistake(definition, settings, fallback) : null;
				if (mistake != null) {
					mistakes
						.add(definition.property("fallback") + " names '" + fallback.name() + "', " + mistake + ".");
				}
			}
		}
		return mistakes;
	}

	/** So that it is the same mistake each time. */
	private List<Source> inOrder() {
		List<Source> snapshot = new ArrayList<>(this.sources.values());
		snapshot.sort(Comparator.comparing(Source::name));
		return snapshot;
	}

	/** Whether any names it as its replica. */
	boolean isReplica(String name) {
		return this.replicas.containsKey(name) || this.templates.values()
			.stream()
			.anyMatch((template) -> template.definition().replicas().sources().contains(name));
	}

	/** The source that names another as its replica, or {@code null}. */
	@Nullable Source primaryOf(String replica) {
		if (!isReplica(replica)) {
			// There may be a hundred thousand sources to look through.
			return null;
		}
		return inOrder().stream()
			.filter((source) -> source.definition().replicas().sources().contains(replica))
			.findFirst()
			.orElse(null);
	}

	static String sameName(String one, String other) {
		if (one.equals(other)) {
			return "There is a source '" + one + "' already: replace it, or take another name.";
		}
		return "The names '" + one + "' and '" + other
				+ "' are the same once case, '-' and '_' are left out, as property" + " binding does: rename one.";
	}

}
