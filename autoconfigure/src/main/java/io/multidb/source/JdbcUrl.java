package io.multidb.source;

import java.io.File;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.function.BinaryOperator;
import java.util.regex.MatchResult;
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
	private static final String USER_INFO = "(//[^/?#@:]{0,128}:|:(?:thin|oci8?):[^/@]{0,128}/)([^?SPACE]{0,512})@";

	private static final Pattern USER_INFO_IN_URL = Pattern.compile(USER_INFO.replace("SPACE", ""));

	private static final Pattern USER_INFO_IN_TEXT = Pattern.compile(USER_INFO.replace("SPACE", "#\\s"));

	/**
	 * What comes behind {@code //}, or {@code @} of Oracle's, and any user and password.
	 */
	private static final Pattern AUTHORITY = Pattern.compile("(?://|thin:@)(?:[^/?#;]*@)?([^/?#;@\\s]+)");

	private static final Pattern SHOWN_USER = Pattern.compile("//[^/?#@]*@");

	private static final Pattern PORT = Pattern.compile(":\\d+$");

	/** In place of a secret. */
	private static final String MASK = "***";

	/** One that is, at the end of a sentence or in brackets or quotes. */
	private static final Pattern MASKED = Pattern.compile("\\*{3}[.,:'\")]*");

	/**
	 * Parts of names; {@code sslkey} is a file's, and so are a key store's. Rather one
	 * too many: what is hidden without need is in the configuration.
	 */
	private static final String SECRET_WORD = "(?:pass|pwd|secret|token|credential|signature|(?<!ssl)key(?!store|space))";

	private static final Pattern SECRET_WORD_IN_NAME = Pattern.compile("(?i)" + SECRET_WORD);

	/** A value may be a list of settings, of which one is secret. */
	private static final Pattern SECRET_IN_VALUE = Pattern.compile("(?i)" + SECRET_WORD + "[^=&;\\s]{0,64}(?:=|%3D)");

	/**
	 * After '?' and '&' a value ends at '&', after ';' and ':' at ';', in brackets at ','
	 * and ')', where only secrets matter. In a sentence all end at white space, and so
	 * does a URL.
	 */
	private static final String PARAMETER = "([?&])([^=?&SPACE]{1,200})=([^&SPACE]*)"
			+ "|(;|:(?=\\w))([^=?&;:(,/SPACE]{1,200})=(\\{[^}SPACE]*}|[^;SPACE]*)"
			+ "|([(,])([^=?&;(,SPACE]{1,200})=([^,)SPACE]*)";

	private static final Pattern IN_URL = Pattern.compile(PARAMETER.replace("SPACE", ""));

	private static final Pattern IN_TEXT = Pattern.compile(PARAMETER.replace("SPACE", "\\s"));

	private static final Pattern SPACE = Pattern.compile("\\s");

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
	 * What is to be added for the URL to have a driver. Nothing is connected.
	 * @return the group and artifact of the product's driver; {@code null} if that is on
	 * the class path, if another driver that is registered accepts the URL, or if the
	 * product is not known
	 */
	public @Nullable String missingDriver() {
		JdbcDriver driver = JdbcDriver.of(this.text);
		return (driver != null && driver.isMissing(this.text)) ? driver.dependency() : null;
	}

	/**
	 * The URL with every secret in it replaced by {@code ***}. White space in its
	 * parameters is encoded, so that in a sentence it is seen where the URL ends.
	 * @return a URL that may be logged and shown
	 */
	public String masked() {
		return masked((name, value) -> value);
	}

	/**
	 * The same, where other parameters could be secret, too.
	 * @param others gives what to show of the value of a parameter, by its name and value
	 * @return a URL that may be shown
	 */
	public String masked(BinaryOperator<String> others) {
		return mask(this.text, USER_INFO_IN_URL, IN_URL,
				(name, value) -> SPACE.matcher(others.apply(name, value)).replaceAll(JdbcUrl::encoded));
	}

	private static String encoded(MatchResult space) {
		return "%%%02X".formatted((int) space.group().charAt(0));
	}

	/**
	 * Whether there is a secret in it.
	 * @return whether there is
	 */
	public boolean hasSecrets() {
		return !mask(this.text, USER_INFO_IN_URL, IN_URL, (name, value) -> value).equals(this.text);
	}

	/** What is secret in it, as it stands there and as a driver reads it. */
	Set<String> secrets() {
		Set<String> secrets = new LinkedHashSet<>();
		Matcher user = USER_INFO_IN_URL.matcher(this.text);
		while (user.find()) {
			secrets.add(user.group(2));
		}
		Matcher found = IN_URL.matcher(this.text);
		while (found.find()) {
			int group = group(found);
			if (isSecret(found.group(group + 1), found.group(group + 2))) {
				secrets.add(found.group(group + 2));
			}
		}
		List.copyOf(secrets).forEach((secret) -> secrets.add(decoded(secret)));
		return secrets;
	}

	/**
	 * Replaces secrets in any text that may quote a JDBC URL.
	 * @param text the text
	 * @return the text with {@code ***} in place of secrets
	 */
	public static String mask(String text) {
		return mask(text, (name, value) -> value);
	}

	/**
	 * The same, where other parameters could be secret, too.
	 * @param text the text
	 * @param others gives what to show of the value of a parameter, by its name and value
	 * @return the text with {@code ***} in place of secrets
	 */
	public static String mask(String text, BinaryOperator<String> others) {
		return mask(text, USER_INFO_IN_TEXT, IN_TEXT, others);
	}

	/**
	 * Replaces secrets in the messages of a failure that may quote a JDBC URL.
	 * @param failure what was thrown
	 * @return the failure itself or, if a message in its chain of causes has a secret in
	 * it, a copy of the chain without
	 */
	public static Throwable mask(Throwable failure) {
		return ConnectFailure.withoutSecrets(failure);
	}

	private static String mask(String text, Pattern userInfo, Pattern parameter, BinaryOperator<String> others) {
		// Most have neither, and there may be a hundred thousand.
		String masked = (text.indexOf('@') < 0) ? text : userInfo.matcher(text).replaceAll("$1" + MASK + "@");
		if (masked.indexOf('=') < 0) {
			return masked;
		}
		return parameter.matcher(masked).replaceAll((found) -> {
			int group = group(found);
			String name = found.group(group + 1);
			String value = found.group(group + 2);
			String shown = isSecret(name, value) ? (MASKED.matcher(value).matches() ? value : MASK)
					: (group < 7) ? others.apply(name, value) : value;
			return Matcher.quoteReplacement(found.group(group) + name + "=" + shown);
		});
	}

	/** What separates it from others, behind which are its name and its value. */
	private static int group(MatchResult found) {
		if (found.group(1) != null) {
			return 1;
		}
		return (found.group(4) != null) ? 4 : 7;
	}

	private static boolean isSecret(String name, String value) {
		return isSecretName(name) || isSecretName(decoded(name)) || SECRET_IN_VALUE.matcher(value).find();
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
		boolean postgresql = product() == DatabaseProduct.POSTGRESQL;
		String plain = (postgresql && this.text.indexOf('@') < 0) ? this.text
				: SHOWN_USER.matcher(masked()).replaceFirst("//");
		if (postgresql) {
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
