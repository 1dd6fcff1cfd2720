package io.multidb.catalog;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.SecretKey;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

import org.jspecify.annotations.Nullable;

/**
 * What may stand in the catalog's column {@code password}, and how it becomes one: a
 * reference <code>${NAME}</code> to a property whose name begins as is allowed,
 * <code>{aes-gcm:key}…</code>, or the password itself if that is allowed. Immutable and
 * thread-safe; prints nothing of what it knows.
 * <p>
 * AES in Galois/counter mode as NIST SP 800-38D has it: a random nonce of 96 bits for
 * each text, a tag of 128 bits. The source's name is associated data, so that a text that
 * is copied to another row does not decrypt there.
 */
public final class CatalogCredentials {

	private static final Pattern REFERENCE = Pattern.compile("\\$\\{([A-Za-z0-9_.-]{1,200})}");

	private static final Pattern ENCRYPTED = Pattern.compile("\\{aes-gcm:([A-Za-z0-9_-]{1,64})}([A-Za-z0-9+/=]*)");

	private static final Pattern KEY_ID = Pattern.compile("[A-Za-z0-9_-]{1,64}");

	private static final String TRANSFORMATION = "AES/GCM/NoPadding";

	private static final int NONCE_BYTES = 12;

	private static final int TAG_BITS = 128;

	private static final SecureRandom random = new SecureRandom();

	private final List<String> prefixes;

	private final Function<String, @Nullable String> properties;

	private final Map<String, SecretKey> keys = new HashMap<>();

	private final @Nullable String activeKey;

	private final boolean plainText;

	/**
	 * Creates it.
	 * @param prefixes how the names of properties begin that rows may refer to
	 * @param properties looks such a property up; {@code null} if there is none
	 * @param keys keys of 16 or 32 bytes in Base64, by their ids
	 * @param activeKey the key that encrypts, or {@code null} if none does
	 * @param plainText whether rows may have the password itself
	 * @throws IllegalArgumentException if a prefix is empty, a key is none, or the active
	 * one is not there; the message is a sentence without secrets
	 */
	public CatalogCredentials(List<String> prefixes, Function<String, @Nullable String> properties,
			Map<String, String> keys, @Nullable String activeKey, boolean plainText) {
		this.prefixes = List.copyOf(prefixes);
		this.properties = properties;
		this.activeKey = activeKey;
		this.plainText = plainText;
		if (prefixes.stream().anyMatch(String::isBlank)) {
			throw new IllegalArgumentException("'references' has an empty prefix, which would allow all properties.");
		}
		keys.forEach((id, key) -> this.keys.put(id, key(id, key)));
		if (activeKey != null && !keys.containsKey(activeKey)) {
			throw new IllegalArgumentException("'active-key' is '" + activeKey + "', which is not among 'keys'.");
		}
	}

	private static SecretKey key(String id, String text) {
		if (!KEY_ID.matcher(id).matches()) {
			throw new IllegalArgumentException("'keys' has an id that is not made of letters, digits, '-' and '_'.");
		}
		byte[] bytes;
		try {
			bytes = Base64.getDecoder().decode(text.strip());
		}
		catch (IllegalArgumentException ex) {
			throw new IllegalArgumentException("'keys." + id + "' is not in Base64.");
		}
		if (bytes.length != 16 && bytes.length != 32) {
			throw new IllegalArgumentException("'keys." + id + "' has " + bytes.length
					+ " bytes: it must have 16 or 32, as 'openssl rand -base64 32' makes them.");
		}
		return new SecretKeySpec(bytes, "AES");
	}

	/**
	 * The password that a row stands for.
	 * @param source the name of the row's source
	 * @param text the column, or {@code null}
	 * @return the password, or {@code null} for none
	 * @throws IllegalArgumentException if there is none to be had; the message is for
	 * people, behind "its password", and has no secret in it
	 */
	@Nullable String resolve(String source, @Nullable String text) {
		if (text == null || text.isEmpty()) {
			return null;
		}
		Matcher reference = REFERENCE.matcher(text);
		if (reference.matches()) {
			return property(reference.group(1));
		}
		if (text.startsWith("{aes-gcm:")) {
			return decrypt(source, text);
		}
		refuseOtherForms(text);
		if (!this.plainText) {
			throw new IllegalArgumentException("is neither a reference nor encrypted: save it by Catalog.save with"
					+ " 'app.tenancy.catalog.credentials.active-key' set, or refer to a property");
		}
		return text;
	}

	private static void refuseOtherForms(String text) {
		if (text.startsWith("${") || text.startsWith("#{") || text.startsWith("{cipher}")) {
			throw new IllegalArgumentException(
					"is no reference of the form ${NAME}: neither defaults nor expressions are followed");
		}
	}

	private String property(String name) {
		if (this.prefixes.stream().noneMatch(name::startsWith)) {
			throw new IllegalArgumentException("refers to the property '" + name
					+ "', whose name begins with none of 'app.tenancy.catalog.credentials.references'");
		}
		String value = this.properties.apply(name);
		if (value == null || value.isEmpty()) {
			throw new IllegalArgumentException(
					"refers to the property '" + name + "', which is " + ((value == null) ? "not set" : "empty"));
		}
		return value;
	}

	/**
	 * What is written for a password.
	 * @param source the name of the row's source
	 * @param text a password, a reference, or what the column had; {@code null} for none
	 * @return what the column gets: anything that is not a reference is encrypted anew
	 * with the active key, if there is one
	 * @throws IllegalArgumentException as {@link #resolve} does
	 */
	@Nullable String store(String source, @Nullable String text) {
		if (text == null || text.isEmpty()) {
			return null;
		}
		if (REFERENCE.matcher(text).matches()) {
			resolve(source, text);
			return text;
		}
		boolean encrypted = text.startsWith("{aes-gcm:");
		String password = encrypted ? decrypt(source, text) : text;
		if (this.activeKey != null) {
			return encrypt(source, password, this.activeKey);
		}
		if (!encrypted) {
			resolve(source, text);
		}
		return text;
	}

	private String encrypt(String source, String password, String id) {
		byte[] nonce = new byte[NONCE_BYTES];
		random.nextBytes(nonce);
		try {
			byte[] encrypted = cipher(Cipher.ENCRYPT_MODE, id, nonce, source)
				.doFinal(password.getBytes(StandardCharsets.UTF_8));
			byte[] both = Arrays.copyOf(nonce, NONCE_BYTES + encrypted.length);
			System.arraycopy(encrypted, 0, both, NONCE_BYTES, encrypted.length);
			return "{aes-gcm:" + id + "}" + Base64.getEncoder().encodeToString(both);
		}
		catch (GeneralSecurityException ex) {
			throw new IllegalStateException("This Java cannot encrypt with " + TRANSFORMATION, ex);
		}
	}

	private String decrypt(String source, String text) {
		Matcher parts = ENCRYPTED.matcher(text);
		if (!parts.matches()) {
			throw new IllegalArgumentException("is not of the form {aes-gcm:<key id>}<Base64>");
		}
		String id = parts.group(1);
		if (!this.keys.containsKey(id)) {
			throw new IllegalArgumentException("is encrypted with the key '" + id
					+ "', which is not among 'app.tenancy.catalog.credentials.keys'");
		}
		byte[] bytes;
		try {
			bytes = Base64.getDecoder().decode(parts.group(2));
		}
		catch (IllegalArgumentException ex) {
			throw new IllegalArgumentException("is encrypted, but not in Base64");
		}
		if (bytes.length < NONCE_BYTES + TAG_BITS / 8) {
			throw new IllegalArgumentException("is encrypted, but too short");
		}
		try {
			byte[] plain = cipher(Cipher.DECRYPT_MODE, id, Arrays.copyOf(bytes, NONCE_BYTES), source).doFinal(bytes,
					NONCE_BYTES, bytes.length - NONCE_BYTES);
			return new String(plain, StandardCharsets.UTF_8);
		}
		catch (AEADBadTagException ex) {
			throw new IllegalArgumentException("does not decrypt with the key '" + id
					+ "': it was encrypted with another key or for a source of another name, or was changed");
		}
		catch (GeneralSecurityException ex) {
			throw new IllegalStateException("This Java cannot decrypt with " + TRANSFORMATION, ex);
		}
	}

	private Cipher cipher(int mode, String id, byte[] nonce, String source) throws GeneralSecurityException {
		Cipher cipher = Cipher.getInstance(TRANSFORMATION);
		cipher.init(mode, this.keys.get(id), new GCMParameterSpec(TAG_BITS, nonce));
		cipher.updateAAD(source.getBytes(StandardCharsets.UTF_8));
		return cipher;
	}

	@Override
	public String toString() {
		return "CatalogCredentials[references=" + this.prefixes + ", keys=" + this.keys.keySet() + ", activeKey="
				+ this.activeKey + "]";
	}

}
