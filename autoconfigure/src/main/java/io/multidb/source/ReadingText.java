package io.multidb.source;

import java.util.regex.Pattern;

/**
 * Tells of a text of SQL whether it might let a connection write that is lent to read
 * only. It keeps an application's own statements from doing so; it is no protection
 * against an attacker's, for which there are credentials that can only read.
 */
final class ReadingText {

	private static final String SPACE = "(?:\\s|/\\*.*?\\*/|--[^\\n]*(?:\\n|$))*";

	/**
	 * The default of the session, or that of a transaction that has not begun to read.
	 */
	private static final Pattern POSTGRESQL_SETTING = Pattern.compile(
			"(?is)^[\\s;]*" + SPACE + "(?:set|reset|begin|start|discard)\\b.*(?:\\bwrite\\b|read_only|\\ball\\b|u&\")");

	/** Another transaction in the same text, which nobody would look at in between. */
	private static final Pattern POSTGRESQL_NEXT = Pattern
		.compile("(?is);" + SPACE + "(?:set|reset|begin|start|discard|commit|end|rollback|abort)\\b");

	/** The driver's own, which go past SQLite's statements. */
	private static final Pattern SQLITE_FILE = Pattern.compile("(?is)^[\\s;]*(?:backup|restore)\\b.*");

	private ReadingText() {
	}

	static boolean mayWrite(DatabaseProduct product, String sql) {
		return switch (product) {
			case SQLITE -> SqliteText.of(sql) == SqliteText.Leaves.SETTINGS || SQLITE_FILE.matcher(sql).matches();
			case POSTGRESQL -> POSTGRESQL_SETTING.matcher(sql).find() || POSTGRESQL_NEXT.matcher(sql).find();
			case OTHER -> false;
		};
	}

}
