package io.multidb.access;

import java.time.Instant;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Permissions in memory, for all sources but the one named open.
 */
public final class TestGrants implements Grants {

	private final Map<String, Permission> permissions = new ConcurrentHashMap<>();

	private final AtomicInteger asked = new AtomicInteger();

	public TestGrants grant(String user, String source, Permission.Level level) {
		this.permissions.put(user + "@" + source, new Permission(level, "root", Instant.EPOCH));
		return this;
	}

	public TestGrants read(String user, String source) {
		return grant(user, source, Permission.Level.READ);
	}

	public TestGrants admin(String user, String source) {
		return grant(user, source, Permission.Level.ADMIN);
	}

	/** For one tenant of a source. */
	public TestGrants grant(String user, String source, String tenant, Permission.Level level) {
		return grant(user, source + "/" + tenant, level);
	}

	public void revoke(String user, String source) {
		this.permissions.remove(user + "@" + source);
	}

	@Override
	public Permission find(String user, String source) {
		return this.permissions.get(user + "@" + source);
	}

	@Override
	public Permission find(String user, String source, String tenant) {
		this.asked.incrementAndGet();
		return tenant.equals(source) ? find(user, source) : find(user, source + "/" + tenant);
	}

	/** How often it was asked about a tenant. */
	public int asked() {
		return this.asked.get();
	}

	@Override
	public boolean isGoverned(String source) {
		return !source.equals("open");
	}

}
