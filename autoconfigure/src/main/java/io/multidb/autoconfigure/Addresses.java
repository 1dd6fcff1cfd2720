package io.multidb.autoconfigure;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.origin.Origin;
import org.springframework.util.StringUtils;

import io.multidb.discovery.DatabaseUrl;
import io.multidb.routing.Route;
import io.multidb.source.NamePattern;

/**
 * Where each source's database is: decides between the places that may say so, puts the
 * address in place, and remembers where it was found. Used once, by one thread.
 */
final class Addresses {

	private final BoundProperties properties;

	private final KnownNames known;

	private final OwnDefinitions own;

	/** In environment variables. */
	private final DiscoveredUrls discovered;

	/** Of all sources, to which those are added that are found. */
	private final Set<String> names;

	private final Collection<String> mistakes;

	/** Where addresses were found, if not in properties. */
	private final Map<String, String> foundAt = new HashMap<>();

	/** Known names that have no source of their own. */
	private final Set<String> ofDefault = new LinkedHashSet<>();

	/** Names whose address has a mistake that was told. */
	private final Set<String> mistaken = new HashSet<>();

	/** For the log. */
	private final List<String> notes = new ArrayList<>();

	Addresses(BoundProperties properties, KnownNames known, OwnDefinitions own, DiscoveredUrls discovered,
			Set<String> names, Collection<String> mistakes) {
		this.properties = properties;
		this.known = known;
		this.own = own;
		this.discovered = discovered;
		this.names = names;
		this.mistakes = mistakes;
	}

	/** What was found in two places, and which of them is used. */
	List<String> notes() {
		return List.copyOf(this.notes);
	}

	/** Known names that have no source of their own. */
	Set<String> ofDefault() {
		return Set.copyOf(this.ofDefault);
	}

	/** Whether a source's address has a mistake that was told. */
	boolean isMistaken(String source) {
		return this.mistaken.contains(source);
	}

	/** Whether the address is what code says, and so may be the driver. */
	boolean isOfBean(String source) {
		return !this.foundAt.containsKey(source) && this.properties.origin(source) instanceof OwnDefinitions.BeanOrigin;
	}

	/** Where a source was found, for its definition. */
	String origin(String source) {
		Origin origin = this.properties.origin(source);
		return this.foundAt.getOrDefault(source, (origin != null) ? origin.toString() : "app.datasources");
	}

	/** Where a source was found, behind what a message says of it. */
	String at(String source) {
		String found = this.foundAt.get(source);
		return (found != null) ? " (" + found + ")" : BoundProperties.at(this.properties.origin(source));
	}

	/** Puts the addresses in place that are not, or not yet, those of JDBC. */
	void find() {
		Map<String, SourceProperties> sources = this.properties.sources();
		sources.replaceAll((name, source) -> {
			String url = source.url();
			return (StringUtils.hasText(url) && !url.startsWith("jdbc:")
					&& !DatasourcesReader.UNRESOLVED.matcher(url).find()) ? separated(name, source, url) : source;
		});
		Set<String> all = new LinkedHashSet<>(sources.keySet());
		all.addAll(this.known.all());
		for (String name : all) {
			SourceProperties declared = sources.get(name);
			String url = this.discovered.find(name);
			List<String> others = new ArrayList<>(this.own.overridden(name));
			if (declared != null && StringUtils.hasText(declared.url())) {
				others.add(0, property(name));
			}
			if (url != null) {
				String variable = DiscoveredUrls.variable(name);
				tellOfOthers(name, variable, others);
				this.foundAt.put(name, "environment variable " + variable);
				DatabaseUrl found = parse("The environment variable " + variable, url);
				if (found == null) {
					this.mistaken.add(name);
				}
				sources.put(name,
						((declared != null) ? declared : undeclared()).at((found != null) ? found.jdbcUrl() : null,
								(found != null) ? found.username() : null, (found != null) ? found.password() : null));
				this.names.add(name);
			}
			else if (!this.known.all().contains(name) || name.equals(DatasourcesReader.DEFAULT)) {
				tellOfOthers(name, others);
			}
			else if (declared == null && !this.names.contains(name)) {
				this.ofDefault.add(name);
			}
			else if (declared != null && declared.url() == null && !this.mistaken.contains(name)) {
				this.notes.add("'" + name + "' has settings" + at(name) + " and no address, so it uses 'default' until "
						+ DiscoveredUrls.variable(name) + " is set");
				sources.remove(name);
				this.names.remove(name);
				this.ofDefault.add(name);
			}
			else {
				tellOfOthers(name, others);
			}
		}
	}

	private void tellOfOthers(String name, List<String> places) {
		if (places.size() > 1) {
			tellOfOthers(name, places.get(0), places.subList(1, places.size()));
		}
	}

	private void tellOfOthers(String name, String place, List<String> others) {
		if (!others.isEmpty()) {
			this.notes.add("'" + name + "' is at " + place + ", which goes before " + String.join(" and ", others));
		}
	}

	private String property(String name) {
		return "'app.datasources." + name + ".url'" + at(name);
	}

	/** Where a URL of properties has credentials in it, they are taken out. */
	private SourceProperties separated(String name, SourceProperties source, String url) {
		String property = property(name);
		DatabaseUrl parsed = parse(property, url);
		if (parsed == null) {
			this.mistaken.add(name);
			return source.at(null, source.username(), source.password());
		}
		boolean credentials = parsed.username() != null || parsed.password() != null;
		if (credentials && (source.username() != null || source.password() != null)) {
			this.mistakes.add(property + " has a user or password in it, and there is a 'username' or 'password' beside"
					+ " it: remove one of both.");
		}
		return credentials ? source.at(parsed.jdbcUrl(), parsed.username(), parsed.password())
				: source.at(parsed.jdbcUrl(), source.username(), source.password());
	}

	private @Nullable DatabaseUrl parse(String where, String url) {
		if (url.isBlank()) {
			this.mistakes.add(where + " is empty: remove it, or set the address of a database.");
			return null;
		}
		try {
			return DatabaseUrl.parse(url.strip());
		}
		catch (IllegalArgumentException ex) {
			this.mistakes.add(where + " " + ex.getMessage() + ".");
			return null;
		}
	}

	private SourceProperties undeclared() {
		return new Binder().bindOrCreate("none", SourceProperties.class);
	}

	/** What is wrong with the known names, once all sources are defined. */
	void check() {
		Map<String, String> byVariable = new HashMap<>();
		Set<String> all = new LinkedHashSet<>(this.names);
		all.addAll(this.ofDefault);
		for (String name : all) {
			String other = byVariable.putIfAbsent(DiscoveredUrls.variable(name), name);
			if (other != null && this.discovered.find(name) != null) {
				this.mistakes.add("The environment variable " + DiscoveredUrls.variable(name) + " could be that of '"
						+ other + "' and of '" + name + "': rename one of them.");
			}
		}
		for (String name : this.ofDefault) {
			if (!DatasourcesReader.SOURCE_NAME.matcher(name).matches()) {
				this.mistakes
					.add(this.known.origin(name) + ", which is no plain source name: use a-z, 0-9, '-' and '_'.");
			}
			else if (!this.names.contains(DatasourcesReader.DEFAULT)) {
				this.mistakes.add(this.known.origin(name) + ", for which there is neither "
						+ DiscoveredUrls.variable(name) + " nor 'app.datasources." + name
						+ ".url', and no source 'default', which DATABASE_URL would be.");
			}
		}
	}

	/**
	 * Each known name leads to its source, or else to the default one, whatever pattern
	 * would take it; unless a route was written for just this name.
	 */
	List<Route> route(List<Route> written) {
		List<Route> routes = new ArrayList<>();
		for (String name : this.known.all()) {
			SourceProperties source = this.properties.sources().get(name);
			boolean reachable = (source == null) ? this.names.contains(DatasourcesReader.DEFAULT)
					: !source.internal() && !DatasourcesReader.isTemplate(String.valueOf(source.url()));
			if (reachable && DatasourcesReader.SOURCE_NAME.matcher(name).matches()
					&& !isRouted(written, NamePattern.of(name))) {
				routes.add(new Route(List.of(NamePattern.of(name)),
						this.ofDefault.contains(name) ? DatasourcesReader.DEFAULT : name));
			}
		}
		if (written.isEmpty()) {
			if (this.ofDefault.isEmpty()) {
				return written;
			}
			routes.add(Route.EACH_ITS_OWN);
		}
		routes.addAll(written);
		return routes;
	}

	private static boolean isRouted(List<Route> routes, NamePattern name) {
		return routes.stream()
			.flatMap((route) -> route.tenants().stream())
			.anyMatch((each) -> each.covers(name) && name.covers(each));
	}

	/** A {@code default} that is declared has its variable's address by now. */
	@Nullable DefaultConnection ofDefault(@Nullable DefaultConnection configured) {
		String url = this.names.contains(DatasourcesReader.DEFAULT) ? null
				: this.discovered.find(DatasourcesReader.DEFAULT);
		if (url == null) {
			return configured;
		}
		String variable = DiscoveredUrls.variable(DatasourcesReader.DEFAULT);
		DatabaseUrl found = parse("The environment variable " + variable, url);
		if (found == null) {
			this.names.add(DatasourcesReader.DEFAULT);
			return null;
		}
		if (configured != null) {
			this.notes.add("'default' is at " + variable + ", which goes before '" + configured.origin() + "'");
		}
		return new DefaultConnection(found.jdbcUrl(), found.username(), found.password(), null,
				"environment variable " + variable);
	}

}
