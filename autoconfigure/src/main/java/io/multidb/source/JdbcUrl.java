package io.multidb.source;

import java.io.File;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

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
			case OTHER -> beforeParameters();
		};
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
		String path = beforeParameters().substring(POSTGRESQL_PREFIX.length());
		String name = databasePath(path);
		return URLDecoder.decode(name.replace("+", "%2B"), StandardCharsets.UTF_8);
	}

	/** Names another PostgreSQL database on the same server; letters, digits, _ only. */
	JdbcUrl withDatabaseName(String name) {
		String before = beforeParameters();
		int start = before.startsWith(POSTGRESQL_PREFIX + "//")
				? before.indexOf('/', POSTGRESQL_PREFIX.length() + 2) + 1 : POSTGRESQL_PREFIX.length();
		return new JdbcUrl(before.substring(0, start) + name + this.text.substring(before.length()));
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
		if (product() != DatabaseProduct.OTHER) {
			return (product() == DatabaseProduct.POSTGRESQL) ? postgresHosts() : null;
		}
		Matcher authority = AUTHORITY.matcher(this.text);
		return authority.find() ? authority.group(1).toLowerCase(Locale.ROOT) : null;
	}

	/** The schema that a PostgreSQL URL names, or {@code null}. */
	@Nullable String schema() {
		return parameter("currentSchema");
	}

	private String postgresHosts() {
		String path = beforeParameters().substring(POSTGRESQL_PREFIX.length());
		if (!path.startsWith("//") || path.indexOf('/', 2) <= 2) {
			return "localhost:5432";
		}
		StringBuilder hosts = new StringBuilder();
		for (String host : StringUtils
			.commaDelimitedListToStringArray(path.substring(2, path.indexOf('/', 2)).toLowerCase(Locale.ROOT))) {
			boolean hasPort = PORT.matcher(host).find();
			hosts.append(hosts.isEmpty() ? "" : ",").append(host).append(hasPort ? "" : ":5432");
		}
		return hosts.toString();
	}

	private String beforeParameters() {
		int end = this.text.indexOf('?');
		return (end < 0) ? this.text : this.text.substring(0, end);
	}

	/** A parameter behind the question mark, or {@code null}. */
	@Nullable String parameter(String name) {
		int start = this.text.indexOf('?');
		if (start < 0) {
			return null;
		}
		for (String parameter : StringUtils.delimitedListToStringArray(this.text.substring(start + 1), "&")) {
			if (parameter.startsWith(name + "=")) {
				return parameter.substring(name.length() + 1);
			}
		}
		return null;
	}

	@Override
	public String toString() {
		return masked();
	}

}
