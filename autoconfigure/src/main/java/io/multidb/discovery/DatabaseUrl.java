package io.multidb.discovery;

import java.net.URLEncoder;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

import org.jspecify.annotations.Nullable;

import io.multidb.source.JdbcUrl;

/**
 * Where a database is, and as whom to connect, read from a JDBC URL or from what
 * platforms give, {@code postgresql://user:p%40ss@host:5433/db?sslmode=require}. Of the
 * latter, user and password are taken out, and what is not clear is refused. Immutable.
 *
 * @param jdbcUrl the JDBC URL
 * @param username the user, or {@code null} if the text names none
 * @param password the password, or {@code null} if the text has none
 */
public record DatabaseUrl(String jdbcUrl, @Nullable String username, @Nullable String password) {

	private static final String JDBC = "jdbc:";

	private static final String SQLITE = "sqlite";

	/** By the schemes that platforms use, the one that the driver knows. */
	private static final Map<String, String> SCHEMES = Map.of("postgres", "postgresql", "postgresql", "postgresql",
			"mysql", "mysql", "mariadb", "mariadb");

	/** Parameters that libpq and pgjdbc name differently, and would ignore. */
	private static final Map<String, String> PGJDBC_NAMES = Map.of("channel_binding", "channelBinding",
			"connect_timeout", "connectTimeout", "application_name", "ApplicationName", "target_session_attrs",
			"targetServerType", "keepalives", "tcpKeepAlive", "gssencmode", "gssEncMode");

	/** Likewise, of {@code target_session_attrs}. */
	private static final Map<String, String> TARGETS = Map.of("any", "any", "read-write", "primary", "primary",
			"primary", "read-only", "secondary", "standby", "secondary", "prefer-standby", "preferSecondary");

	/** What pgjdbc reads as credentials, or as another host or database. */
	private static final Set<String> ELSEWHERE = Set.of("host", "hostaddr", "port", "dbname", "service");

	private static final Pattern SCHEME = Pattern.compile("([A-Za-z][A-Za-z0-9+.-]*):(.*)", Pattern.DOTALL);

	private static final Pattern HOST = Pattern
		.compile("(\\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._-]+)?]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?");

	private static final Pattern NOT_IN_URLS = Pattern.compile("[\\s\\p{Cntrl}]");

	private static final int LAST_PORT = 65_535;

	/**
	 * Reads a text.
	 * @param text a JDBC URL, taken as it is, or one with the scheme {@code postgresql},
	 * {@code postgres}, {@code mysql}, {@code mariadb} or {@code sqlite}
	 * @return what it says
	 * @throws IllegalArgumentException if it is none of them; the message has nothing of
	 * the text in it that may be secret
	 */
	public static DatabaseUrl parse(String text) {
		if (text.startsWith(JDBC)) {
			return new DatabaseUrl(text, null, null);
		}
		Matcher parts = SCHEME.matcher(text);
		String scheme = parts.matches() ? parts.group(1).toLowerCase(Locale.ROOT) : "";
		if (scheme.equals(SQLITE)) {
			return sqlite(parts.group(2));
		}
		String driver = SCHEMES.get(scheme);
		if (driver == null) {
			throw new IllegalArgumentException("is no database URL that is known: it must begin with 'jdbc:',"
					+ " 'postgresql://', 'postgres://', 'mysql://', 'mariadb://' or 'sqlite:'");
		}
		if (NOT_IN_URLS.matcher(text).find()) {
			throw new IllegalArgumentException("has white space in it, which is written %20");
		}
		if (!parts.group(2).startsWith("//")) {
			throw new IllegalArgumentException("has no '//' behind '" + scheme + ":'");
		}
		return server(driver, parts.group(2).substring(2));
	}

	/** Three slashes are a relative path to some and an absolute one to others. */
	private static DatabaseUrl sqlite(String path) {
		if (path.startsWith("//")) {
			throw new IllegalArgumentException("has '//' behind 'sqlite:', after which some read a relative path and"
					+ " others an absolute one: write 'sqlite:/var/data/a.db' or 'sqlite:data/a.db'");
		}
		if (path.isBlank()) {
			throw new IllegalArgumentException("names no file");
		}
		return new DatabaseUrl(JDBC + SQLITE + ":" + path, null, null);
	}

	private static DatabaseUrl server(String driver, String rest) {
		if (rest.indexOf('#') >= 0) {
			throw new IllegalArgumentException("has a '#' in it, which is written %23");
		}
		int question = rest.indexOf('?');
		String address = (question < 0) ? rest : rest.substring(0, question);
		int slash = address.indexOf('/');
		String authority = (slash < 0) ? address : address.substring(0, slash);
		String database = (slash < 0) ? "" : address.substring(slash + 1);
		int at = authority.indexOf('@');
		if (at != authority.lastIndexOf('@')) {
			throw new IllegalArgumentException(
					"has more than one '@' before the host: in a user or password it is written %40");
		}
		String user = null;
		String password = null;
		if (at >= 0) {
			int colon = authority.indexOf(':');
			boolean both = colon >= 0 && colon < at;
			user = decode(authority.substring(0, both ? colon : at));
			password = both ? decode(authority.substring(colon + 1, at)) : null;
		}
		String hosts = hosts(authority.substring(at + 1));
		if (database.isEmpty()) {
			throw new IllegalArgumentException("names no database: put it behind the host, as in '//host:5432/name'");
		}
		if (database.indexOf('/') >= 0) {
			throw new IllegalArgumentException(
					"has a '/' in the name of its database, or in a password, where it is written %2F");
		}
		List<String> parameters = new ArrayList<>();
		for (String parameter : (question < 0) ? new String[0] : rest.substring(question + 1).split("&")) {
			int equals = parameter.indexOf('=');
			String name = decode((equals < 0) ? parameter : parameter.substring(0, equals));
			String value = (equals < 0) ? "" : parameter.substring(equals + 1);
			switch (name) {
				case "" -> {
					if (!value.isEmpty()) {
						throw new IllegalArgumentException("has a parameter without a name");
					}
				}
				case "user", "username" -> user = once(name, user, decode(value));
				case "password" -> password = once(name, password, decode(value));
				default -> parameters.add(driver.equals("postgresql") ? ofPostgresql(name, value) : parameter);
			}
		}
		String query = parameters.isEmpty() ? "" : "?" + String.join("&", parameters);
		return new DatabaseUrl(JDBC + driver + "://" + hosts + "/" + name(database) + query, emptyToNull(user),
				password);
	}

	private static String hosts(String text) {
		if (text.isEmpty()) {
			throw new IllegalArgumentException("has no host");
		}
		for (String each : text.split(",", -1)) {
			Matcher host = HOST.matcher(each);
			if (!host.matches()) {
				throw new IllegalArgumentException("has a host that is none, or a port that is no number; ':', '/', '?'"
						+ " and '#' in a user or password are written %3A, %2F, %3F and %23");
			}
			int port = (host.group(2) != null) ? Integer.parseInt(host.group(2)) : 1;
			if (port < 1 || port > LAST_PORT) {
				throw new IllegalArgumentException("has the port " + port + ": ports are 1 to " + LAST_PORT);
			}
		}
		return text;
	}

	private static String once(String name, @Nullable String before, String value) {
		if (before != null) {
			throw new IllegalArgumentException("gives the " + name + " twice");
		}
		return value;
	}

	private static String ofPostgresql(String name, String value) {
		if (ELSEWHERE.contains(name)) {
			throw new IllegalArgumentException(
					"has the parameter '" + name + "': the host, port and database belong before the '?'");
		}
		String known = PGJDBC_NAMES.getOrDefault(name, name);
		String wanted = value;
		if (name.equals("target_session_attrs")) {
			wanted = TARGETS.get(value);
			if (wanted == null) {
				throw new IllegalArgumentException("has a 'target_session_attrs' that is none of "
						+ TARGETS.keySet().stream().sorted().collect(Collectors.joining(", ")));
			}
		}
		else if (name.equals("keepalives")) {
			wanted = value.equals("0") ? "false" : "true";
		}
		return encode(known) + "=" + wanted;
	}

	private static @Nullable String emptyToNull(@Nullable String text) {
		return (text == null || text.isEmpty()) ? null : text;
	}

	/** Unlike a form, a URL has no '+' for a space. */
	private static String decode(String text) {
		if (text.indexOf('%') < 0) {
			return text;
		}
		byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
		ByteBuffer decoded = ByteBuffer.allocate(encoded.length);
		for (int i = 0; i < encoded.length; i++) {
			if (encoded[i] != '%') {
				decoded.put(encoded[i]);
				continue;
			}
			int high = (i + 1 < encoded.length) ? Character.digit(encoded[i + 1], 16) : -1;
			int low = (i + 2 < encoded.length) ? Character.digit(encoded[i + 2], 16) : -1;
			if (high < 0 || low < 0) {
				throw new IllegalArgumentException(
						"has a '%' without two hexadecimal digits behind it: a '%' itself is written %25");
			}
			decoded.put((byte) (high * 16 + low));
			i += 2;
		}
		try {
			String result = StandardCharsets.UTF_8.newDecoder().decode(decoded.flip()).toString();
			if (result.indexOf('\0') >= 0) {
				throw new IllegalArgumentException("has a %00 in it");
			}
			return result;
		}
		catch (CharacterCodingException ex) {
			throw new IllegalArgumentException("has %-escapes that are no UTF-8");
		}
	}

	/** A template's placeholder stays one. */
	private static String name(String database) {
		String encoded = encode(decode(database));
		return (database.indexOf('{') >= 0) ? encoded.replace("%7B", "{").replace("%7D", "}") : encoded;
	}

	private static String encode(String text) {
		return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
	}

	/** Without the password. */
	@Override
	public String toString() {
		return "DatabaseUrl[" + new JdbcUrl(this.jdbcUrl).masked() + ", username=" + this.username + "]";
	}

}
