package io.multidb.source;

import java.util.regex.Pattern;

/**
 * Tells from a text of SQL what it leaves behind on its SQLite connection. It may be
 * wrong only in one direction, for SQLite's own grammar is not known here.
 */
final class SqliteText {

	/** What a text leaves behind, the more serious the later. */
	enum Leaves {

		/** Nothing that a connection remembers. */
		NOTHING,

		/** Perhaps an open transaction. */
		TRANSACTION,

		/** Perhaps a setting, a temporary table, or another database. */
		SETTINGS

	}

	/** What only looks, or does something once. */
	private static final Pattern HARMLESS_PRAGMA = Pattern
		.compile("(?is)pragma\\s+(\\w+\\s*\\.\\s*)?(\\w+\\s*|(table_x?info|table_list|index_list|index_x?info"
				+ "|foreign_key_list|foreign_key_check|integrity_check|quick_check|wal_checkpoint|optimize"
				+ "|incremental_vacuum)\\s*\\(.*)");

	private static final Pattern TEMPORARY = Pattern.compile("(?i)\\btemp(orary)?\\b");

	private static final Pattern PRAGMA = Pattern.compile("(?i)\\bpragma\\b");

	/** Such as {@code $x('')}: SQLite takes a bracket for part of its name. */
	private static final Pattern TCL_VARIABLE = Pattern.compile("[$@:#][^\\s()'\"]+\\(");

	private static final char BYTE_ORDER_MARK = '\uFEFF';

	private SqliteText() {
	}

	/** What is left by a text, which may be of several statements. */
	static Leaves of(String sql) {
		if (sql.indexOf(';') >= 0 && TCL_VARIABLE.matcher(sql).find()) {
			// What is in its brackets is no text to SQLite, whatever quotes it has.
			return Leaves.SETTINGS;
		}
		Leaves most = Leaves.NOTHING;
		int start = start(sql, 0);
		while (start < sql.length() && most != Leaves.SETTINGS) {
			int end = end(sql, start);
			Leaves its = of(sql, start, end);
			most = (its.compareTo(most) > 0) ? its : most;
			start = start(sql, end);
		}
		return most;
	}

	private static Leaves of(String sql, int start, int end) {
		switch (sql.charAt(start)) {
			case 'b', 'B' -> {
				return Leaves.TRANSACTION;
			}
			case 's', 'S' -> {
				return begins(sql, start, "savepoint") ? Leaves.TRANSACTION : Leaves.NOTHING;
			}
			case 'p', 'P' -> {
				return HARMLESS_PRAGMA.matcher(sql).region(start, end).matches() ? Leaves.NOTHING : Leaves.SETTINGS;
			}
			case 'a', 'A' -> {
				return begins(sql, start, "attach") ? Leaves.SETTINGS : Leaves.NOTHING;
			}
			case 'c', 'C' -> {
				return begins(sql, start, "create") && TEMPORARY.matcher(sql).region(start, end).find()
						? Leaves.SETTINGS : Leaves.NOTHING;
			}
			case 'e', 'E' -> {
				// A pragma takes effect when it is prepared.
				return begins(sql, start, "explain") && PRAGMA.matcher(sql).region(start, end).find() ? Leaves.SETTINGS
						: Leaves.NOTHING;
			}
			default -> {
				return begins(sql, start, "detach") ? Leaves.SETTINGS : Leaves.NOTHING;
			}
		}
	}

	private static boolean begins(String sql, int start, String word) {
		return sql.regionMatches(true, start, word, 0, word.length());
	}

	/** Where the next statement begins. */
	private static int start(String sql, int from) {
		int at = from;
		while (at < sql.length()) {
			char c = sql.charAt(at);
			if (c <= ' ' || c == ';' || c == BYTE_ORDER_MARK) {
				at++;
			}
			else if (isComment(sql, at)) {
				at = afterComment(sql, at);
			}
			else {
				return at;
			}
		}
		return at;
	}

	/** Where a statement ends: at the first semicolon that is neither text nor name. */
	private static int end(String sql, int from) {
		if (sql.indexOf(';', from) < 0) {
			return sql.length();
		}
		int at = from;
		while (at < sql.length() && sql.charAt(at) != ';') {
			char c = sql.charAt(at);
			if (c == '\'' || c == '"' || c == '`' || c == '[') {
				at = after(sql, (c == '[') ? "]" : String.valueOf(c), at + 1);
			}
			else {
				at = isComment(sql, at) ? afterComment(sql, at) : at + 1;
			}
		}
		return at;
	}

	private static boolean isComment(String sql, int at) {
		return sql.startsWith("--", at) || sql.startsWith("/*", at);
	}

	private static int afterComment(String sql, int at) {
		return after(sql, (sql.charAt(at) == '-') ? "\n" : "*/", at + 2);
	}

	private static int after(String sql, String what, int from) {
		int found = sql.indexOf(what, from);
		return (found < 0) ? sql.length() : found + what.length();
	}

}
