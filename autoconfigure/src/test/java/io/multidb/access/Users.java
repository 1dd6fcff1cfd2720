package io.multidb.access;

import java.util.concurrent.Callable;

/**
 * The user of a thread, as somebody else than Spring Security may know him.
 */
public final class Users implements CurrentUser {

	private final ThreadLocal<String> current = new ThreadLocal<>();

	public void set(String user) {
		this.current.set(user);
	}

	public <T> T call(String user, Callable<T> task) throws Exception {
		String former = this.current.get();
		this.current.set(user);
		try {
			return task.call();
		}
		finally {
			this.current.set(former);
		}
	}

	@Override
	public String name() {
		return this.current.get();
	}

}
