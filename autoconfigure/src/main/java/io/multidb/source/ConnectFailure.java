package io.multidb.source;

import java.io.EOFException;
import java.io.IOException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;

/**
 * Says in one message why a source could not be connected and what to do.
 */
final class ConnectFailure {

	private static final int LONGEST_MESSAGE = 2000;

	private static final int DEEPEST_CAUSE = 20;

	/** Of a URL, up to its end: a driver may quote only these. */
	private static final Pattern PARAMETERS = Pattern.compile("[?;][^@]*=.*", Pattern.DOTALL);

	/** PostgreSQL's admin_shutdown, crash_shutdown and cannot_connect_now. */
	private static final Set<String> SERVER_STARTS_OR_ENDS = Set.of("57P01", "57P02", "57P03");

	private static final int SHORTEST_SECRET = 4;

	private static final Pattern NO_SECRET = Pattern.compile("(?i)true|false|none|null|UTF-?8");

	/**
	 * {@code user:password@} without the slashes before it, as a driver may quote a host.
	 */
	private static final Pattern USER_INFO = Pattern.compile("([^\\s/:@]{1,128}):[^\\s/@]{1,256}@");

	private ConnectFailure() {
	}

	static String explain(SourceDefinition definition, Throwable failure) {
		String driverSays = withoutSecrets(definition, withRootCause(failure)).strip();
		return "Source '" + definition.name() + "' cannot be connected at " + definition.url().masked() + ": "
				+ driverSays + (driverSays.endsWith(".") ? "" : ".")
				+ ((failure instanceof PostgresSessions.Refusal) ? "" : " " + advice(definition, failure));
	}

	/** Drivers keep the telling part, such as an unknown host, in the cause. */
	private static String withRootCause(Throwable failure) {
		String message = String.valueOf(failure.getMessage()).strip();
		Throwable root = failure;
		for (int depth = 0; root.getCause() != null && depth < DEEPEST_CAUSE; depth++) {
			root = root.getCause();
		}
		String rootMessage = root.getMessage();
		return (rootMessage == null || message.contains(rootMessage)) ? message
				: message + " (" + root.getClass().getSimpleName() + ": " + rootMessage + ")";
	}

	/**
	 * Removes what is secret of a source from a text, in whatever form a driver quotes
	 * it.
	 */
	static String withoutSecrets(SourceDefinition definition, String text) {
		String whole = definition.url().text();
		String clean = text.replace(whole, definition.url().masked());
		Matcher parameters = PARAMETERS.matcher(whole);
		if (parameters.find()) {
			clean = clean.replace(parameters.group(), new JdbcUrl(parameters.group()).masked());
		}
		for (String secret : secrets(definition)) {
			clean = clean.replace(secret, "***");
		}
		return withoutSecrets(clean);
	}

	/** The same, where it is not known whose secrets there may be. */
	static String withoutSecrets(String text) {
		String clean = USER_INFO.matcher(JdbcUrl.mask(text)).replaceAll("$1:***@");
		// What a driver or Liquibase quotes may be as long as a row.
		return (clean.length() > LONGEST_MESSAGE) ? clean.substring(0, LONGEST_MESSAGE) + "…" : clean;
	}

	/** The longest first, as one may be part of another. */
	private static List<String> secrets(SourceDefinition definition) {
		Set<String> secrets = new LinkedHashSet<>(definition.url().secrets());
		List.of(definition.hikari(), definition.liquibase().parameters())
			.forEach((settings) -> settings.forEach((name, value) -> {
				if (JdbcUrl.isSecretName(name)) {
					secrets.add(value);
				}
			}));
		// Other words than secrets, as in '…Passwords=false', would make it unreadable.
		secrets.removeIf((secret) -> secret.length() < SHORTEST_SECRET || NO_SECRET.matcher(secret).matches());
		if (definition.password() != null && !definition.password().isEmpty()) {
			secrets.add(definition.password());
		}
		return secrets.stream().sorted(Comparator.comparingInt(String::length).reversed()).toList();
	}

	/**
	 * The failure itself, or, if a message in its chain of causes has a secret in it, a
	 * copy of the chain without: stack traces are logged, and with them every cause.
	 */
	static Throwable withoutSecrets(SourceDefinition definition, Throwable failure) {
		return withoutSecrets(failure, (text) -> withoutSecrets(definition, text));
	}

	/** The same, where it is not known whose secrets there may be. */
	static Throwable withoutSecrets(Throwable failure) {
		return withoutSecrets(failure, ConnectFailure::withoutSecrets);
	}

	private static Throwable withoutSecrets(Throwable failure, UnaryOperator<String> mask) {
		return hasSecrets(failure, mask, 0) ? copy(failure, mask, 0) : failure;
	}

	private static boolean hasSecrets(Throwable failure, UnaryOperator<String> mask, int depth) {
		String message = failure.getMessage();
		if (message != null && !mask.apply(message).equals(message)) {
			return true;
		}
		if (depth >= DEEPEST_CAUSE) {
			return false;
		}
		for (Throwable suppressed : failure.getSuppressed()) {
			if (hasSecrets(suppressed, mask, depth + 1)) {
				return true;
			}
		}
		return failure.getCause() != null && hasSecrets(failure.getCause(), mask, depth + 1);
	}

	private static Throwable copy(Throwable failure, UnaryOperator<String> mask, int depth) {
		String message = mask.apply(failure.toString());
		Throwable cause = (failure.getCause() != null && depth < DEEPEST_CAUSE)
				? copy(failure.getCause(), mask, depth + 1) : null;
		Exception copy = (failure instanceof SQLException ex)
				? new SQLException(message, ex.getSQLState(), ex.getErrorCode(), cause)
				: new IllegalStateException(message, cause);
		copy.setStackTrace(failure.getStackTrace());
		return copy;
	}

	private static String advice(SourceDefinition definition, Throwable failure) {
		String state = (failure instanceof SQLException ex && ex.getSQLState() != null) ? ex.getSQLState() : "";
		if (String.valueOf(failure.getMessage()).contains("No suitable driver")) {
			return adviceForDriver(definition);
		}
		if (definition.driverClassName() != null && failure.getCause() instanceof ClassNotFoundException) {
			String missing = definition.url().missingDriver();
			return "Add the dependency that has it" + ((missing != null) ? ", such as " + missing : "")
					+ ", or correct " + definition.property("driver-class-name") + ".";
		}
		return switch (definition.product()) {
			case SQLITE -> adviceForFile(definition);
			case POSTGRESQL -> {
				if (isMissingDatabase(definition, failure)) {
					yield "Create the database, or correct " + definition.property("url") + ".";
				}
				if (state.startsWith("28")) {
					yield "Check " + definition.property("username") + " and " + definition.property("password") + ".";
				}
				if (state.equals("53300")) {
					yield "The server has no connection left: lower the 'hikari.maximum-pool-size' of its sources, or raise"
							+ " its max_connections.";
				}
				yield "Check that the server runs and that " + definition.property("url") + " is right.";
			}
			case OTHER -> "Check that the server runs and that " + definition.property("url")
					+ ", user and password are" + " right.";
		};
	}

	private static String adviceForDriver(SourceDefinition definition) {
		String url = definition.property("url");
		String missing = definition.url().missingDriver();
		if (missing != null) {
			return "Add the JDBC driver to the class path, the dependency " + missing + ", or correct " + url + ".";
		}
		JdbcDriver known = JdbcDriver.of(definition.url().text());
		return (known != null)
				? "Correct " + url + ", which the driver " + known.className()
						+ " does not accept; where nobody has registered that, name it as 'driver-class-name'."
				: "Add the JDBC driver to the class path, or correct " + url + ".";
	}

	private static String adviceForFile(SourceDefinition definition) {
		if (!definition.url().isPlainSqliteFile()) {
			return "Check " + definition.property("url") + ".";
		}
		Path file = definition.url().sqliteFile().toAbsolutePath().normalize();
		Path directory = file.getParent();
		if (directory != null && !Files.isDirectory(directory)) {
			return "The directory '" + directory + "' does not exist: create it, or correct "
					+ definition.property("url") + ".";
		}
		if (Files.isDirectory(file)) {
			return "'" + file + "' is a directory: correct " + definition.property("url") + ".";
		}
		if (definition.readOnly()) {
			return Files.exists(file)
					? "Check that '" + file
							+ "' is a SQLite database that this process may read. In WAL mode, SQLite makes a"
							+ " file beside it even to read; if nobody ever writes to it, use 'jdbc:sqlite:file:" + file
							+ "?immutable=1'."
					: "The file '" + file + "' does not exist, and a read-only source makes none: correct "
							+ definition.property("url") + ".";
		}
		if (directory != null && (!Files.isWritable(directory) || !Files.exists(file))) {
			return "No file can be made in the directory '" + directory
					+ "': make it writable for this process; SQLite writes its journal there, too.";
		}
		return "Check that '" + file + "' is a SQLite database that this process may read and write.";
	}

	/** PostgreSQL's too_many_connections, also of a role or database. */
	static boolean isOfTooManyConnections(SQLException failure) {
		return "53300".equals(failure.getSQLState());
	}

	/** The server was not reached, or ends, or is not ready yet. */
	static boolean isOfNetwork(SQLException failure) {
		String state = String.valueOf(failure.getSQLState());
		return state.startsWith("08") || state.startsWith("57P") || failure.getCause() instanceof IOException;
	}

	/**
	 * The server was not to be reached, or starts or ends, for whichever source: none of
	 * the refusals that have an SQLState of connections too, such as a driver's for lack
	 * of a password or PgBouncer's, and no certificate that does not fit.
	 */
	static boolean isUnreached(SQLException failure) {
		if (SERVER_STARTS_OR_ENDS.contains(String.valueOf(failure.getSQLState()))) {
			return true;
		}
		Throwable cause = failure.getCause();
		for (int depth = 0; cause != null && depth < DEEPEST_CAUSE; depth++) {
			if (cause instanceof SocketException || cause instanceof SocketTimeoutException
					|| cause instanceof UnknownHostException || cause instanceof EOFException) {
				return true;
			}
			cause = cause.getCause();
		}
		return false;
	}

	/** PostgreSQL's invalid_catalog_name, which PgBouncer passes on as text only. */
	static boolean isMissingDatabase(SourceDefinition definition, @Nullable Throwable failure) {
		return definition.product() == DatabaseProduct.POSTGRESQL && failure instanceof SQLException ex
				&& ("3D000".equals(ex.getSQLState())
						|| ("08P01".equals(ex.getSQLState()) && String.valueOf(ex.getMessage())
							.contains("database \"" + definition.url().databaseName() + "\" does not exist")));
	}

}
