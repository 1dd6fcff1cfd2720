package io.multidb.routing;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Comparator;
import java.util.List;

/**
 * Rendezvous hashing: each tenant gives each source a weight, and goes where it is the
 * highest.
 * <p>
 * The weight is the first 8 bytes, as an unsigned big-endian number, of the SHA-256 of
 * the tenant's id in UTF-8, one byte 0, and the source's name in UTF-8. Of equal weights
 * the source whose name comes first in the order of UTF-16 code units goes before. See
 * Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998.
 */
final class Rendezvous {

	private Rendezvous() {
	}

	/** The sources, that with the highest weight first. */
	static List<String> order(String tenant, List<String> sources) {
		return sources.stream()
			.map((source) -> new Weighed(source, weight(tenant, source)))
			.sorted(Comparator.comparing(Weighed::weight, Long::compareUnsigned)
				.reversed()
				.thenComparing(Weighed::source))
			.map(Weighed::source)
			.toList();
	}

	static long weight(String tenant, String source) {
		MessageDigest digest = sha256();
		digest.update(tenant.getBytes(StandardCharsets.UTF_8));
		digest.update((byte) 0);
		return ByteBuffer.wrap(digest.digest(source.getBytes(StandardCharsets.UTF_8))).getLong();
	}

	private static MessageDigest sha256() {
		try {
			return MessageDigest.getInstance("SHA-256");
		}
		catch (NoSuchAlgorithmException ex) {
			throw new IllegalStateException("Every Java platform has SHA-256", ex);
		}
	}

	private record Weighed(String source, Long weight) {
	}

}
