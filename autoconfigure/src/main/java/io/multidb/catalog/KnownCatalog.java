package io.multidb.catalog;

import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import io.multidb.access.Permission;
import io.multidb.routing.NumberedMappingStore;
import io.multidb.routing.NumberedMappingStore.Revision;
import io.multidb.source.SourceDefinition;

/**
 * What is known of a catalog's tables, as far as they were read. One thread, the
 * {@link CatalogReader}'s, takes in what it has found; others read without a lock, row by
 * row.
 */
final class KnownCatalog {

	private static final Logger logger = LoggerFactory.getLogger(CatalogReader.class);

	/** Rows of one read whose mistakes get a line each. */
	private static final int TOLD = 20;

	private final String catalog;

	private final boolean binding;

	private final Rows rows;

	private final Map<String, CatalogSource> sources = new ConcurrentHashMap<>();

	private final Map<String, SourceDefinition> definitions = new ConcurrentHashMap<>();

	private final Map<String, String> problems = new ConcurrentHashMap<>();

	/** By user and source. */
	private final Map<String, Map<String, Permission>> permissions = new ConcurrentHashMap<>();

	/** Sources by tenant; none before they were read. */
	private volatile NumberedMappingStore.@Nullable Contents mappings;

	/** Permissions with mistakes that were told; the thread's alone. */
	private final Set<String> misgranted = new HashSet<>();

	/** The thread's alone. */
	private boolean unboundTold;

	/** What one read has found. */
	static final class Found {

		final List<Tables.SourceRow> sources = new ArrayList<>();

		boolean allSources;

		final List<Granted> permissions = new ArrayList<>();

		boolean allPermissions;

		final Map<String, String> mappings = new HashMap<>();

		boolean allMappings;

	}

	/** A row of permissions, whose level may be none. */
	record Granted(String user, String source, @Nullable String level, @Nullable String by, @Nullable String at) {
	}

	/**
	 * Which sources have changed.
	 *
	 * @param saved those that are new or others than before, or may be
	 * @param removed those that are gone
	 */
	record Changes(Set<String> saved, Set<String> removed) {
	}

	/**
	 * Nothing yet.
	 * @param catalog what it is called in the log
	 * @param binding whether its permissions bind anybody
	 * @param rows makes definitions of rows
	 */
	KnownCatalog(String catalog, boolean binding, Rows rows) {
		this.catalog = catalog;
		this.binding = binding;
		this.rows = rows;
	}

	/** All rows, by name. */
	Map<String, CatalogSource> sources() {
		return this.sources;
	}

	/** Those of active rows that are right, by name. */
	Map<String, SourceDefinition> definitions() {
		return this.definitions;
	}

	/** Why rows are not used, by name. */
	Map<String, String> problems() {
		return this.problems;
	}

	/** By user and source. */
	Map<String, Map<String, Permission>> permissions() {
		return this.permissions;
	}

	/** {@code null} before they were read. */
	NumberedMappingStore.@Nullable Contents mappings() {
		return this.mappings;
	}

	/**
	 * Takes sources in.
	 * @param all the names of all there are, if they are known by now
	 * @param doubtful whether some may have been taken in, or told of, in part only
	 */
	Changes takeSources(Found found, @Nullable Set<String> all, boolean doubtful) {
		Set<String> saved = new LinkedHashSet<>();
		int told = 0;
		for (Tables.SourceRow row : found.sources) {
			String name = row.source().name();
			String problem = row.problem();
			CatalogSource source = row.source();
			try {
				source = source.change().attributes(Rows.attributes(row.attributes())).build();
			}
			catch (IllegalArgumentException ex) {
				problem = String.valueOf(ex.getMessage());
			}
			if (source.equals(this.sources.put(name, source)) && problem == null && !this.problems.containsKey(name)
					&& !doubtful) {
				continue;
			}
			saved.add(name);
			problem = (problem != null) ? problem : define(source);
			if (problem == null) {
				this.problems.remove(name);
			}
			else {
				this.definitions.remove(name);
				if (!problem.equals(this.problems.put(name, problem)) && ++told <= TOLD) {
					logger.warn("{}: the row of '{}' is not used: {}", this.catalog, CatalogReader.printable(name),
							problem);
				}
			}
		}
		if (told > TOLD) {
			logger.warn("{}: {} more rows are not used", this.catalog, told - TOLD);
		}
		Set<String> removed = new LinkedHashSet<>();
		if (all != null) {
			removed.addAll(this.sources.keySet());
			removed.removeAll(all);
			for (String name : removed) {
				this.definitions.remove(name);
				this.problems.remove(name);
				this.sources.remove(name);
			}
		}
		return new Changes(saved, removed);
	}

	/** Puts a row's definition in place; says what is wrong with it if there is none. */
	private @Nullable String define(CatalogSource source) {
		if (!source.active()) {
			this.definitions.remove(source.name());
			return null;
		}
		try {
			this.definitions.put(source.name(), this.rows.define(source));
			return null;
		}
		catch (IllegalArgumentException ex) {
			return String.valueOf(ex.getMessage());
		}
	}

	/** Before the sources: none is to be open to all until its permissions are there. */
	void takePermissions(Found found) {
		Map<String, Set<String>> kept = new HashMap<>();
		for (Granted row : found.permissions) {
			Permission.Level level = level(row);
			Map<String, Permission> ofUser = this.permissions.computeIfAbsent(row.user(),
					(user) -> new ConcurrentHashMap<>());
			if (level == null) {
				ofUser.remove(row.source());
			}
			else {
				kept.computeIfAbsent(row.user(), (user) -> new HashSet<>()).add(row.source());
				ofUser.put(row.source(), new Permission(level, row.by(), instant(row.at())));
			}
		}
		if (found.allPermissions) {
			this.permissions.keySet().retainAll(kept.keySet());
			this.permissions.forEach((user, sources) -> sources.keySet().retainAll(kept.getOrDefault(user, Set.of())));
		}
		if (!this.binding && !this.permissions.isEmpty() && !this.unboundTold) {
			this.unboundTold = true;
			logger.warn("{}: it has permissions, which bind nobody: set 'app.tenancy.catalog.permissions' to true",
					this.catalog);
		}
	}

	private Permission.@Nullable Level level(Granted row) {
		String text = (row.level() != null) ? row.level().strip().toLowerCase(Locale.ROOT) : "";
		switch (text) {
			case "read" -> {
				return Permission.Level.READ;
			}
			case "admin" -> {
				return Permission.Level.ADMIN;
			}
			default -> {
				if (this.misgranted.size() < TOLD
						&& this.misgranted.add(row.user() + "\n" + row.source() + "\n" + text)) {
					logger.warn("{}: the permission of '{}' on '{}' allows nothing: it is neither 'read' nor 'admin'",
							this.catalog, CatalogReader.printable(row.user()), CatalogReader.printable(row.source()));
				}
				return null;
			}
		}
	}

	private static @Nullable Instant instant(@Nullable String text) {
		try {
			return (text != null) ? Instant.parse(text) : null;
		}
		catch (DateTimeParseException ex) {
			// Written by others, in a form of their own.
			return null;
		}
	}

	/** The same map as before if nothing in it has changed. */
	void takeMappings(Found found, Revision read) {
		NumberedMappingStore.Contents former = this.mappings;
		Map<String, String> known = (former != null) ? former.mappings() : Map.of();
		if (found.allMappings || !found.mappings.isEmpty()) {
			Map<String, String> all = new HashMap<>(found.allMappings ? Map.of() : known);
			all.putAll(found.mappings);
			known = all.equals(known) ? known : Collections.unmodifiableMap(all);
		}
		this.mappings = new NumberedMappingStore.Contents(known, read);
	}

}
