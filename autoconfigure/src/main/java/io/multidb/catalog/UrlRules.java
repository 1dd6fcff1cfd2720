package io.multidb.catalog;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;

import io.multidb.discovery.DatabaseUrl;

/**
 * Which URLs rows of a catalog may have, and those that come by HTTP. Whoever may write a
 * row would otherwise have a driver load a class, read a file or ask another server:
 * CVE-2022-21724 (pgjdbc's {@code socketFactory}), CVE-2023-32697 (sqlite-jdbc's
 * {@code :resource:}), MySQL's {@code autoDeserialize}. Whatever is not known to be
 * harmless is refused. Immutable and thread-safe.
 */
public final class UrlRules {

	private static final Pattern JDBC = Pattern.compile("jdbc:([a-z0-9]{1,40}):(.*)", Pattern.DOTALL);

	private static final String HOST = "(?:\\[[0-9A-Fa-f:.]{2,60}]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?";

	private static final Pattern ADDRESS = Pattern.compile("//" + HOST + "(?:," + HOST + ")*/[A-Za-z0-9._%~$-]{1,200}");

	private static final Pattern PARAMETER = Pattern.compile("([A-Za-z0-9_.]{1,60})=([^\\s\\p{Cntrl}&?#]{0,200})");

	private static final Pattern SETTINGS = Pattern.compile("[;(){}\\s]");

	private static final Pattern CONTROL = Pattern.compile("[\\p{Cntrl}\\u0080-\\u009f\\u2028\\u2029]");

	/** Parameters that name no class, file, secret or other server. */
	private static final Map<String, Set<String>> HARMLESS = Map.of("sqlite",
			Set.of("busy_timeout", "cache_size", "date_class", "date_precision", "date_string_format", "encoding",
					"foreign_keys", "journal_mode", "journal_size_limit", "synchronous", "transaction_mode"),
			"postgresql",
			Set.of("ApplicationName", "adaptiveFetch", "assumeMinServerVersion", "binaryTransfer",
					"cancelSignalTimeout", "channelBinding", "connectTimeout", "currentSchema", "defaultRowFetchSize",
					"disableColumnSanitiser", "gssEncMode", "hostRecheckSeconds", "loadBalanceHosts", "loginTimeout",
					"prepareThreshold", "preparedStatementCacheQueries", "preparedStatementCacheSizeMiB",
					"reWriteBatchedInserts", "socketTimeout", "ssl", "sslmode", "stringtype", "targetServerType",
					"tcpKeepAlive"),
			"mysql", mysql(), "mariadb", mysql());

	private final Set<String> drivers;

	private final Map<String, Set<String>> parameters = new HashMap<>();

	private final @Nullable Path sqliteDirectory;

	/**
	 * Creates the rules.
	 * @param drivers products that are allowed, as they stand behind {@code jdbc:}
	 * @param parameters further parameters that are allowed, by product
	 * @param sqliteDirectory where SQLite files must be, at any depth, or {@code null}
	 * for anywhere
	 */
	public UrlRules(List<String> drivers, Map<String, List<String>> parameters, @Nullable Path sqliteDirectory) {
		this.drivers = new LinkedHashSet<>(drivers);
		for (String driver : drivers) {
			Set<String> allowed = new HashSet<>(HARMLESS.getOrDefault(driver, Set.of()));
			allowed.addAll(parameters.getOrDefault(driver, List.of()));
			this.parameters.put(driver, allowed);
		}
		this.sqliteDirectory = (sqliteDirectory != null) ? sqliteDirectory.toAbsolutePath().normalize() : null;
	}

	private static Set<String> mysql() {
		return Set.of("cachePrepStmts", "characterEncoding", "connectTimeout", "connectionTimeZone",
				"prepStmtCacheSize", "prepStmtCacheSqlLimit", "requireSSL", "rewriteBatchedStatements",
				"serverTimezone", "socketTimeout", "sslMode", "tcpKeepAlive", "tinyInt1isBit", "useSSL",
				"useServerPrepStmts", "useUnicode", "zeroDateTimeBehavior");
	}

	/**
	 * Checks a URL.
	 * @param text a JDBC URL, or one as platforms give them
	 * @return the JDBC URL
	 * @throws IllegalArgumentException if it is not allowed; the message is for people,
	 * behind "its URL", and has no secret in it
	 */
	public String check(String text) {
		if (text.isBlank()) {
			throw new IllegalArgumentException("is empty");
		}
		if (CONTROL.matcher(text).find()) {
			throw new IllegalArgumentException("has a control character in it");
		}
		DatabaseUrl parsed = DatabaseUrl.parse(text.strip());
		if (parsed.username() != null || parsed.password() != null) {
			throw new IllegalArgumentException("has a user or password in it, which belong into columns of their own");
		}
		String url = parsed.jdbcUrl();
		Matcher parts = JDBC.matcher(url);
		if (!parts.matches()) {
			throw new IllegalArgumentException("is no JDBC URL");
		}
		String driver = parts.group(1);
		if (!this.drivers.contains(driver)) {
			throw new IllegalArgumentException("is of the product '" + driver
					+ "', which is none of 'app.tenancy.catalog.allowed-drivers' " + this.drivers);
		}
		String rest = parts.group(2);
		int question = rest.indexOf('?');
		checkAddress(driver, (question < 0) ? rest : rest.substring(0, question));
		if (question >= 0) {
			checkParameters(driver, rest.substring(question + 1));
		}
		return url;
	}

	private void checkAddress(String driver, String address) {
		if (driver.equals("sqlite")) {
			checkFile(address);
		}
		else if (HARMLESS.containsKey(driver)) {
			if (!ADDRESS.matcher(address).matches()) {
				throw new IllegalArgumentException(
						"is not of the form jdbc:" + driver + "://host:port/database?parameter=value");
			}
		}
		else if (SETTINGS.matcher(address).find()) {
			throw new IllegalArgumentException("has settings in it: of the product '" + driver
					+ "' only those behind a '?' can be told apart, and are allowed by name");
		}
	}

	private void checkFile(String file) {
		if (file.isEmpty() || file.startsWith(":") || file.startsWith("file:")) {
			throw new IllegalArgumentException(
					"names no plain file: neither memory, nor resources, nor 'file:' URIs" + " are allowed");
		}
		Path path;
		try {
			path = Path.of(file).toAbsolutePath().normalize();
		}
		catch (InvalidPathException ex) {
			throw new IllegalArgumentException("names no file");
		}
		if (this.sqliteDirectory != null && Path.of(file).normalize().getNameCount() != Path.of(file).getNameCount()) {
			throw new IllegalArgumentException("has '.' or '..' in it, which may lead elsewhere behind a link");
		}
		if (this.sqliteDirectory != null && !(path.startsWith(this.sqliteDirectory) && isReallyBelow(path))) {
			throw new IllegalArgumentException(
					"names a file that is not below 'app.tenancy.catalog.sqlite-directory', " + this.sqliteDirectory);
		}
	}

	/** Links are followed as far as they exist. */
	private boolean isReallyBelow(Path path) {
		Path directory = this.sqliteDirectory;
		if (directory == null || path.equals(directory)) {
			return false;
		}
		try {
			Path existing = path;
			while (existing != null && !Files.exists(existing)) {
				if (Files.isSymbolicLink(existing)) {
					return false;
				}
				existing = existing.getParent();
			}
			Path root = Files.exists(directory) ? directory.toRealPath() : directory;
			return existing == null || !existing.startsWith(directory) || existing.toRealPath().startsWith(root);
		}
		catch (IOException ex) {
			return false;
		}
	}

	private void checkParameters(String driver, String parameters) {
		Set<String> allowed = this.parameters.getOrDefault(driver, Set.of());
		Set<String> given = new HashSet<>();
		for (String parameter : parameters.split("&", -1)) {
			Matcher parts = PARAMETER.matcher(parameter);
			if (!parts.matches()) {
				throw new IllegalArgumentException("has a parameter that is not of the form name=value");
			}
			if (!allowed.contains(parts.group(1))) {
				throw new IllegalArgumentException("has the parameter '" + parts.group(1)
						+ "', which is not known to be harmless; 'app.tenancy.catalog.parameters." + driver
						+ "' allows further ones");
			}
			if (!given.add(parts.group(1).toLowerCase(Locale.ROOT))) {
				throw new IllegalArgumentException(
						"has the parameter '" + parts.group(1) + "' twice: drivers do not agree which of both counts");
			}
		}
	}

}
