package io.multidb.source;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;

/**
 * Literal text with at most one {@code *} or <code>{name}</code>, which stands for one or
 * more characters: {@code main}, {@code chat-*}, <code>election-{id}</code>. Immutable.
 */
public final class NamePattern {

	/** The variable that every pattern has: the whole matched text. */
	public static final String TENANT = "tenant";

	private static final Pattern WILDCARD = Pattern.compile("\\*|\\{([A-Za-z][A-Za-z0-9_]*)}");

	private final String text;

	private final String prefix;

	private final String suffix;

	private final boolean literal;

	private final @Nullable String variable;

	private NamePattern(String text, String prefix, String suffix, boolean literal, @Nullable String variable) {
		this.text = text;
		this.prefix = prefix;
		this.suffix = suffix;
		this.literal = literal;
		this.variable = variable;
	}

	/**
	 * Parses a pattern.
	 * @param text the pattern
	 * @return the pattern
	 * @throws IllegalArgumentException if the text is not one; the message says why
	 */
	public static NamePattern of(String text) {
		Matcher matcher = WILDCARD.matcher(text);
		if (!matcher.find()) {
			return new NamePattern(checkLiteral(text, text), "", "", true, null);
		}
		String prefix = checkLiteral(text, text.substring(0, matcher.start()));
		String suffix = checkLiteral(text, text.substring(matcher.end()));
		if (TENANT.equals(matcher.group(1)) && !(prefix.isEmpty() && suffix.isEmpty())) {
			throw new IllegalArgumentException("'" + text
					+ "' uses {tenant} for a part; {tenant} always is the whole id. Choose another name, such as {id}");
		}
		return new NamePattern(text, prefix, suffix, false, matcher.group(1));
	}

	private static String checkLiteral(String text, String literal) {
		if (!literal.matches("[A-Za-z0-9._-]*") || text.isEmpty()) {
			throw new IllegalArgumentException(
					"'" + text + "' can never match a tenant id: a pattern is literal text of"
							+ " A-Z, a-z, 0-9, '.', '_' and '-' with at most one * or {name}");
		}
		if (text.startsWith(".") || literal.length() > 64) {
			throw new IllegalArgumentException(
					"'" + text + "' can never match a tenant id: an id has at most 64 characters and no leading dot");
		}
		return literal;
	}

	/**
	 * Whether a name matches.
	 * @param name the name
	 * @return whether it does
	 */
	public boolean matches(String name) {
		return this.literal ? this.text.equals(name) : name.length() > this.prefix.length() + this.suffix.length()
				&& name.startsWith(this.prefix) && name.endsWith(this.suffix);
	}

	/**
	 * The part of a matching name for which the wildcard stands.
	 * @param name a name that {@link #matches(String) matches}
	 * @return the part, one or more characters; empty for a literal pattern
	 */
	public String captured(String name) {
		return this.literal ? "" : name.substring(this.prefix.length(), name.length() - this.suffix.length());
	}

	/**
	 * Whether every name that the other pattern matches is matched by this one.
	 * @param other the other pattern
	 * @return whether a route with the other pattern after this one is never reached
	 */
	public boolean covers(NamePattern other) {
		if (other.literal) {
			return matches(other.text);
		}
		return !this.literal && other.prefix.startsWith(this.prefix) && other.suffix.endsWith(this.suffix);
	}

	/**
	 * Whether the pattern is plain text.
	 * @return whether it matches exactly one name
	 */
	public boolean isLiteral() {
		return this.literal;
	}

	/**
	 * The name of the wildcard.
	 * @return the name, or {@code null} for {@code *} and for plain text
	 */
	public @Nullable String variable() {
		return this.variable;
	}

	/**
	 * Whether a text contains a placeholder this pattern can fill.
	 */
	boolean fills(String template) {
		return template.contains("{" + TENANT + "}")
				|| (this.variable != null && template.contains("{" + this.variable + "}"));
	}

	/**
	 * Fills <code>{tenant}</code> and this pattern's variable into a text.
	 * @param template the text
	 * @param name a name that {@link #matches(String) matches}
	 * @return the text with the placeholders filled
	 */
	public String fill(String template, String name) {
		return fill(template, name, captured(name));
	}

	String fill(String template, String tenant, String captured) {
		if (template.indexOf('{') < 0) {
			return template;
		}
		String filled = template.replace("{" + TENANT + "}", tenant);
		return (this.variable != null) ? filled.replace("{" + this.variable + "}", captured) : filled;
	}

	@Override
	public boolean equals(Object other) {
		return other instanceof NamePattern that && this.text.equals(that.text);
	}

	@Override
	public int hashCode() {
		return this.text.hashCode();
	}

	@Override
	public String toString() {
		return this.text;
	}

}
