package io.multidb.discovery;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;

import org.springframework.core.io.Resource;
import org.springframework.core.io.ResourceLoader;
import org.springframework.core.io.support.ResourcePatternUtils;
import org.springframework.util.StringUtils;

import io.multidb.InvalidDatasourcesException;

/**
 * Packages that are named after tenants, such as {@code com.acme.apps.{tenant}}: what
 * lies in {@code com.acme.apps.auth}, or below it, is the tenant {@code auth}'s.
 * Immutable.
 */
public final class TenantPackages {

	/** No package is. */
	public static final TenantPackages NONE = new TenantPackages(List.of());

	private static final String IDENTIFIER = "\\p{javaJavaIdentifierStart}\\p{javaJavaIdentifierPart}*";

	private static final Pattern PATTERN = Pattern
		.compile("((?:" + IDENTIFIER + "\\.)+)\\{tenant}((?:\\." + IDENTIFIER + ")*)");

	private static final String NOT_OF_A_CLASS = "package-info.class";

	private final List<NamedPackage> patterns;

	private TenantPackages(List<NamedPackage> patterns) {
		this.patterns = List.copyOf(patterns);
	}

	/**
	 * Reads patterns.
	 * @param patterns names of packages, of which one part is <code>{tenant}</code>, and
	 * not the first; where several match, the first decides
	 * @return the packages
	 * @throws InvalidDatasourcesException if there are others; all are listed
	 */
	public static TenantPackages of(Collection<String> patterns) {
		List<NamedPackage> packages = new ArrayList<>();
		List<String> mistakes = new ArrayList<>();
		for (String each : patterns) {
			Matcher pattern = PATTERN.matcher(each.strip());
			if (pattern.matches()) {
				packages.add(new NamedPackage(pattern.group(1), pattern.group(2)));
			}
			else {
				mistakes.add("'app.tenancy.packages' has '" + each + "', which is no package whose name has the part"
						+ " {tenant} behind others: write it as in com.acme.apps.{tenant}.");
			}
		}
		if (!mistakes.isEmpty()) {
			throw new InvalidDatasourcesException(mistakes);
		}
		return new TenantPackages(packages);
	}

	/**
	 * Whose package it is.
	 * @param name the name of a package
	 * @return the tenant, or {@code null} if the package is nobody's
	 */
	public @Nullable String tenantOf(String name) {
		for (NamedPackage each : this.patterns) {
			String tenant = each.tenantOf(name);
			if (tenant != null) {
				return tenant;
			}
		}
		return null;
	}

	/**
	 * Looks on the class path for packages that have classes, in them or below; which of
	 * them are beans cannot be known before there are beans, nor on the command line.
	 * @param resourceLoader where to look
	 * @return the packages' names by tenant, sorted; a tenant may have one by each
	 * pattern
	 */
	public Map<String, List<String>> find(ResourceLoader resourceLoader) {
		Map<String, List<String>> found = new TreeMap<>();
		for (NamedPackage each : this.patterns) {
			for (String tenant : each.find(resourceLoader)) {
				found.computeIfAbsent(tenant, (any) -> new ArrayList<>()).add(each.nameOf(tenant));
			}
		}
		return Collections.unmodifiableMap(found);
	}

	@Override
	public String toString() {
		return this.patterns.toString();
	}

	/**
	 * One pattern.
	 *
	 * @param prefix the package that the tenants' lie in, with a dot behind it
	 * @param suffix what follows the tenant, with a dot before it, or empty
	 */
	private record NamedPackage(String prefix, String suffix) {

		String nameOf(String tenant) {
			return this.prefix + tenant + this.suffix;
		}

		@Nullable String tenantOf(String name) {
			if (!name.startsWith(this.prefix)) {
				return null;
			}
			int end = name.indexOf('.', this.prefix.length());
			String tenant = name.substring(this.prefix.length(), (end < 0) ? name.length() : end);
			return (name + ".").startsWith(nameOf(tenant) + ".") ? tenant : null;
		}

		TreeSet<String> find(ResourceLoader resourceLoader) {
			String root = this.prefix.replace('.', '/');
			TreeSet<String> tenants = new TreeSet<>();
			try {
				for (Resource each : ResourcePatternUtils.getResourcePatternResolver(resourceLoader)
					.getResources("classpath*:" + root + "*" + this.suffix.replace('.', '/') + "/**/*.class")) {
					String path = StringUtils.uriDecode(each.getURL().toString(), StandardCharsets.UTF_8);
					if (!path.endsWith("/" + NOT_OF_A_CLASS)) {
						// A folder of the class path may have the same names above it.
						int start = path.lastIndexOf("/" + root) + 1 + root.length();
						tenants.add(path.substring(start, path.indexOf('/', start)));
					}
				}
			}
			catch (IOException ex) {
				throw new UncheckedIOException(ex);
			}
			return tenants;
		}

		@Override
		public String toString() {
			return nameOf("{tenant}");
		}

	}

}
