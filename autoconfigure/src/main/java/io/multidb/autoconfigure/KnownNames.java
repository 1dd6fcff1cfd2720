package io.multidb.autoconfigure;

import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

import org.springframework.boot.context.properties.bind.Bindable;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.core.env.Environment;
import org.springframework.core.io.ResourceLoader;

import io.multidb.InvalidDatasourcesException;
import io.multidb.discovery.TenantPackages;

/**
 * Names of sources that are known without being declared, so that their addresses are
 * looked up: those of {@code app.tenancy.discovery.names}, and those that packages have.
 * Immutable.
 */
final class KnownNames {

	private static final String NAMES = "app.tenancy.discovery.names";

	private static final String PACKAGES = "app.tenancy.packages";

	private final Set<String> all;

	private final Map<String, List<String>> packages;

	private KnownNames(List<String> written, Map<String, List<String>> packages) {
		this.all = new LinkedHashSet<>(written);
		this.all.addAll(packages.keySet());
		this.packages = packages;
	}

	/**
	 * The names, those of packages found on the class path.
	 * @param mistakes where mistakes go
	 */
	static KnownNames of(Environment environment, ResourceLoader resourceLoader, Collection<String> mistakes) {
		Map<String, List<String>> found = Map.of();
		try {
			TenantPackages packages = packages(environment);
			found = packages.find(resourceLoader);
			if (found.isEmpty() && !list(environment, PACKAGES).isEmpty()) {
				mistakes.add("'" + PACKAGES + "' is " + packages
						+ ", and no such package with a class in it is on the class path.");
			}
		}
		catch (InvalidDatasourcesException ex) {
			mistakes.addAll(ex.mistakes());
		}
		return new KnownNames(list(environment, NAMES), found);
	}

	/**
	 * The packages that are named after tenants.
	 * @throws InvalidDatasourcesException if a pattern is none
	 */
	static TenantPackages packages(Environment environment) {
		List<String> patterns = list(environment, PACKAGES);
		return patterns.isEmpty() ? TenantPackages.NONE : TenantPackages.of(patterns);
	}

	/** Whether there may be any, for conditions. */
	static boolean exist(Environment environment) {
		return !list(environment, NAMES).isEmpty() || !list(environment, PACKAGES).isEmpty();
	}

	private static List<String> list(Environment environment, String property) {
		return Binder.get(environment).bind(property, Bindable.listOf(String.class)).orElseGet(List::of);
	}

	Set<String> all() {
		return this.all;
	}

	/** The packages by the names that they gave. */
	Map<String, List<String>> packages() {
		return this.packages;
	}

	/** How it is that a name is known, as the beginning of a sentence. */
	String origin(String name) {
		List<String> its = this.packages.get(name);
		return (its != null) ? "'" + PACKAGES + "' finds '" + name + "' (package " + its.get(0) + ")"
				: "'" + NAMES + "' has '" + name + "'";
	}

}
