package io.multidb.source;

import java.io.File;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.jspecify.annotations.Nullable;

import org.springframework.util.StringUtils;

/**
 * What a JDBC URL says, without connecting: product, database, and a form that may be
 * shown. Immutable.
 *
 * @param text the URL as it was configured, with any secrets in it
 */
public record JdbcUrl(String text) {

	private static final String SQLITE_PREFIX = "jdbc:sqlite:";

	private static final String POSTGRESQL_PREFIX = "jdbc:postgresql:";

	private static final Pattern MYSQL = Pattern.compile("jdbc:(?:mysql|mariadb):");

	/** pgjdbc's names of what stands before the parameters and may be among them. */
	private static final String HOST = "PGHOST";

	private static final String HOST_PORT = "PGPORT";

	private static final String DATABASE = "PGDBNAME";

	/**
	 * {@code //user:password@host}, and Oracle's {@code thin:user/password@host}; a
	 * password may have an '@' of its own.
	 */
	private static final Pattern USER_INFO = Pattern
		.compile("(//[^/?#@:]{0,128}:|:(?:thin|oci8?):[^/@]{0,128}/)[^?#\\s]{0,512}@");

	/**
	 * What comes behind {@code //}, or {@code @} of Oracle's, and any user and password.
	 */
	private static final Pattern AUTHORITY = Pattern.compile("(?://|thin:@)(?:[^/?#;]*@)?([^/?#;@\\s]+)");

	private static final Pattern SHOWN_USER = Pattern.compile("//[^/?#@]*@");

	private static final Pattern PORT = Pattern.compile(":\\d+$");

	private static final String SECRET_WORD = "(?:password|passwd|pwd|secret|token|credential)";

	private static final Pattern SECRET_WORD_IN_NAME = Pattern.compile("(?i)" + SECRET_WORD);

	private static final String SECRET_NAME = "[^=?&;(,\\s]{0,64}" + SECRET_WORD + "[^=?&;(,\\s]{0,64}=";

	/**
	 * After '?' and '&' a value ends at '&', after ';' and ':' at ';', in brackets at ','
	 * and ')'.
	 */
	private static final Pattern SECRET_PARAMETER = Pattern.compile("(?i)([?&]" + SECRET_NAME + ")[^&]*|([;:]"
			+ SECRET_NAME + ")(?:\\{[^}]*}|[^;]*)|([(,]" + SECRET_NAME + ")[^,)]*");

	/** In a sentence, a URL ends at white space. */
	private static final Pattern SECRET_PARAMETER_IN_TEXT = Pattern.compile("(?i)([?&]" + SECRET_NAME
			+ ")[^&\\s]*|([;:]" + SECRET_NAME + ")(?:\\{[^}\\s]*}|[^;\\s]*)|([(,]" + SECRET_NAME + ")[^,)\\s]*");

	static boolean isSecretName(String name) {
		return SECRET_WORD_IN_NAME.matcher(name).find();
	}

	/**
	 * The product the URL's prefix names.
	 * @return the product
	 */
	public DatabaseProduct product() {
		return DatabaseProduct.of(this.text);
	}

	/**
	 * The URL with every secret in it replaced by {@code ***}.
	 * @return a URL that may be logged and shown
	 */
	public String masked() {
		return mask(this.text, SECRET_PARAMETER);
	}

	/**
	 * Replaces secrets in any text that may quote a JDBC URL.
	 * @param text the text
	 * @return the text with {@code ***} in place of secrets
	 */
	public static String mask(String text) {
		return mask(text, SECRET_PARAMETER_IN_TEXT);
	}

	private static String mask(String text, Pattern secretParameter) {
		// Most have neither, and there may be a hundred thousand.
		String masked = (text.indexOf('@') < 0) ? text : USER_INFO.matcher(text).replaceAll("$1***@");
		return (masked.indexOf('=') < 0) ? masked : secretParameter.matcher(masked).replaceAll("$1$2$3***");
	}

	/**
	 * Two URLs with the same key name the same database (or schema). Host names are not
	 * resolved and links in paths are not followed.
	 */
	String databaseKey() {
		return switch (product()) {
			case SQLITE -> isPlainSqliteFile() ? sqliteKey() : this.text;
			case POSTGRESQL -> {
				String schema = schema();
				String options = parameter("options");
				yield POSTGRESQL_PREFIX + "//" + postgresHosts() + "/" + databaseName()
						+ ((schema != null) ? "?currentSchema=" + schema : "")
						+ ((options != null) ? "?options=" + options : "");
			}
			case OTHER -> MYSQL.matcher(this.text).lookingAt() ? mysqlKey() : beforeParameters();
		};
	}

	/** Of hosts that are only named; what else can be said of them is left as it is. */
	private String mysqlKey() {
		String before = beforeParameters();
		String hosts = server();
		int start = before.indexOf('/', before.indexOf("//") + 2);
		if (hosts == null || start < 0 || before.indexOf('(') >= 0) {
			return before;
		}
		String given = this.text.startsWith("jdbc:mysql:") ? parameter("dbname") : null;
		return before.substring(0, before.indexOf("//") + 2) + Stream.of(hosts.split(",", -1))
			.map((host) -> PORT.matcher(host).find() ? host : host + ":3306")
			.collect(Collectors.joining(",")) + "/" + ((given != null) ? given : before.substring(start + 1));
	}

	/** The text itself, where it is one already: there may be ten thousand. */
	private String sqliteKey() {
		String text = beforeParameters();
		String path = text.substring(SQLITE_PREFIX.length());
		boolean normal = File.separatorChar == '/' && path.startsWith("/") && !path.contains("//")
				&& !path.contains("/.") && !path.endsWith("/");
		return normal ? text : SQLITE_PREFIX + Path.of(path).toAbsolutePath().normalize();
	}

	/** Neither in memory, nor a URI, nor a class path resource. */
	boolean isPlainSqliteFile() {
		String path = beforeParameters().substring(SQLITE_PREFIX.length());
		return !path.isEmpty() && !path.startsWith(":") && !path.startsWith("file:");
	}

	/**
	 * The file of a SQLite database.
	 * @return its path, as it was written
	 */
	public Path sqliteFile() {
		return Path.of(beforeParameters().substring(SQLITE_PREFIX.length()));
	}

	JdbcUrl withSqliteFile(Path file) {
		return new JdbcUrl(SQLITE_PREFIX + file + this.text.substring(beforeParameters().length()));
	}

	/**
	 * The name of a PostgreSQL database.
	 * @return the name, decoded; empty where the URL names none
	 */
	public String databaseName() {
		String given = parameter(DATABASE);
		if (given != null) {
			return given;
		}
		String path = beforeParameters().substring(POSTGRESQL_PREFIX.length());
		return decoded(databasePath(path));
	}

	/** Names another PostgreSQL database on the same server; letters, digits, _ only. */
	JdbcUrl withDatabaseName(String name) {
		String before = beforeParameters();
		int start = before.startsWith(POSTGRESQL_PREFIX + "//")
				? before.indexOf('/', POSTGRESQL_PREFIX.length() + 2) + 1 : POSTGRESQL_PREFIX.length();
		JdbcUrl other = new JdbcUrl(before.substring(0, start) + name + this.text.substring(before.length()));
		return (parameter(DATABASE) != null) ? other.withParameter(DATABASE, name) : other;
	}

	/** A parameter of PostgreSQL's driver that no other in the URL lifts. */
	JdbcUrl withParameter(String name, String value) {
		return new JdbcUrl(this.text + ((this.text.indexOf('?') < 0) ? '?' : '&') + name + '=' + value);
	}

	/** Reaches the same PostgreSQL database by the host and port of another URL. */
	JdbcUrl withServerOf(JdbcUrl other) {
		return new JdbcUrl(POSTGRESQL_PREFIX + "//" + other.postgresHosts() + "/"
				+ databasePath(beforeParameters().substring(POSTGRESQL_PREFIX.length()))
				+ this.text.substring(beforeParameters().length()));
	}

	private static String databasePath(String path) {
		return path.startsWith("//") ? path.substring(Math.max(path.indexOf('/', 2), 1) + 1) : path;
	}

	/** The user that the URL itself names, which goes before any other. */
	@Nullable String user() {
		return parameter("user");
	}

	/**
	 * The server's host and port in lower case; several, if the URL names several.
	 * @return {@code null} where there is none, or it cannot be told
	 */
	@Nullable String server() {
		if (product() == DatabaseProduct.SQLITE) {
			return null;
		}
		// A server's name is shown, be it one that no driver understands.
		String plain = (this.text.indexOf('@') < 0) ? this.text : SHOWN_USER.matcher(masked()).replaceFirst("//");
		if (product() == DatabaseProduct.POSTGRESQL) {
			return new JdbcUrl(plain).postgresHosts();
		}
		Matcher authority = AUTHORITY.matcher(plain);
		return authority.find() ? authority.group(1).toLowerCase(Locale.ROOT) : null;
	}

	/** The schema that a PostgreSQL URL names, or {@code null}. */
	@Nullable String schema() {
		return parameter("currentSchema");
	}

	private String postgresHosts() {
		String path = beforeParameters().substring(POSTGRESQL_PREFIX.length());
		int end = path.startsWith("//") ? path.indexOf('/', 2) : -1;
		List<String> hosts = new ArrayList<>();
		List<String> ports = new ArrayList<>();
		for (String address : List.of(((end > 2) ? path.substring(2, end) : "localhost").split(","))) {
			int colon = PORT.matcher(address).find() ? address.lastIndexOf(':') : address.length();
			hosts.add((colon == 0) ? "localhost" : address.substring(0, colon));
			ports.add((colon == address.length()) ? "5432" : address.substring(colon + 1));
		}
		hosts = Objects.requireNonNullElse(list(parameter(HOST)), hosts);
		ports = Objects.requireNonNullElse(list(parameter(HOST_PORT)), ports);
		StringBuilder pairs = new StringBuilder();
		for (int i = 0; i < Math.max(hosts.size(), ports.size()); i++) {
			pairs.append(pairs.isEmpty() ? "" : ",")
				// As many of both, or the driver refuses it
				.append((i < hosts.size()) ? hosts.get(i).toLowerCase(Locale.ROOT) : "")
				.append(':')
				.append((i < ports.size()) ? ports.get(i) : "");
		}
		return pairs.toString();
	}

	private static @Nullable List<String> list(@Nullable String parameter) {
		return (parameter != null) ? List.of(parameter.split(",", -1)) : null;
	}

	private String beforeParameters() {
		int end = this.text.indexOf('?');
		return (end < 0) ? this.text : this.text.substring(0, end);
	}

	/** Without a parameter of SQLite's driver. */
	JdbcUrl withoutParameter(String name) {
		if (parameter(name) == null) {
			return this;
		}
		int start = this.text.indexOf('?');
		return new JdbcUrl(beforeParameters() + Stream.of(this.text.substring(start + 1).split("&", -1))
			.filter((each) -> new JdbcUrl(SQLITE_PREFIX + '?' + each).parameter(name) == null)
			.collect(Collectors.joining("&", "?", "")));
	}

	/**
	 * A parameter behind the question mark, as the driver reads it: of several of one
	 * name, the last one counts.
	 * @param name the parameter's name
	 * @return its value, or {@code null} if there is none
	 */
	@Nullable String parameter(String name) {
		int start = this.text.indexOf('?');
		if (start < 0) {
			return null;
		}
		DatabaseProduct product = product();
		String found = null;
		for (String parameter : StringUtils.delimitedListToStringArray(this.text.substring(start + 1), "&")) {
			int equals = parameter.indexOf('=');
			String key = (equals < 0) ? parameter : parameter.substring(0, equals);
			String value = (equals < 0) ? "" : parameter.substring(equals + 1);
			switch (product) {
				case SQLITE -> {
					value = value.contains("=") ? value.substring(0, value.indexOf('=')) : value;
					found = (key.strip().equalsIgnoreCase(name) && !value.isBlank()) ? value.strip() : found;
				}
				case POSTGRESQL -> found = postgresName(key).equals(name) ? decoded(value) : found;
				case OTHER -> found = decoded(key).strip().equalsIgnoreCase(name) ? decoded(value).strip() : found;
			}
		}
		return found;
	}

	/** pgjdbc takes these three as libpq names them too, in any case. */
	private static String postgresName(String key) {
		if (key.equalsIgnoreCase("host")) {
			return HOST;
		}
		if (key.equalsIgnoreCase("port")) {
			return HOST_PORT;
		}
		return key.equalsIgnoreCase("dbname") ? DATABASE : key;
	}

	/** As a form is; a driver refuses what is not well-formed. */
	private static String decoded(String text) {
		try {
			return URLDecoder.decode(text, StandardCharsets.UTF_8);
		}
		catch (IllegalArgumentException ex) {
			return text;
		}
	}

	@Override
	public String toString() {
		return masked();
	}

}
