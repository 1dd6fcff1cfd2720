package io.multidb.access;

import java.time.Instant;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Permissions in memory, for all sources but the one named open.
 */
public final class TestGrants implements Grants {

	private final Map<String, Permission> permissions = new ConcurrentHashMap<>();

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

	public void revoke(String user, String source) {
		this.permissions.remove(user + "@" + source);
	}

	@Override
	public Permission find(String user, String source) {
		return this.permissions.get(user + "@" + source);
	}

	@Override
	public boolean isGoverned(String source) {
		return !source.equals("open");
	}

}
