package io.multidb;

import org.jspecify.annotations.Nullable;

/**
 * The tenant for which the calling thread works. <pre>
 * try (Scope scope = TenantContext.enter("lisbon")) {
 *     orders.save(order);   // goes to lisbon's source
 * }
 * </pre> Scopes nest; each puts back what was there before. Nothing is inherited by new
 * threads; Spring's executors take it along with their tasks.
 */
public final class TenantContext {

	private static final int MAX_LENGTH = 64;

	private TenantContext() {
	}

	/**
	 * Makes a tenant current on this thread until the scope is closed.
	 * @param tenant the tenant's id, 1 to 64 of {@code [A-Za-z0-9._-]} without a leading
	 * dot
	 * @return the scope that puts the former target back
	 * @throws NoTenantException if the tenant is {@code null}
	 * @throws InvalidTenantException if the id is malformed; nothing is looked up for it
	 * @throws SourceSwitchException if a transaction or session of another source is open
	 * on this thread
	 */
	public static Scope enter(@Nullable String tenant) {
		return Target.ofTenant(tenant).enter();
	}

	/**
	 * Calls a task for a tenant.
	 * @param tenant the tenant's id
	 * @param task what to do
	 * @param <T> what the task returns
	 * @param <X> what the task may throw
	 * @return the task's result
	 * @throws X if the task throws it
	 * @see #enter(String)
	 */
	public static <T extends @Nullable Object, X extends Throwable> T call(@Nullable String tenant,
			ScopedCallable<T, X> task) throws X {
		try (Scope scope = enter(tenant)) {
			return task.call();
		}
	}

	/**
	 * Runs a task for a tenant.
	 * @param tenant the tenant's id
	 * @param task what to do
	 * @see #enter(String)
	 */
	public static void run(@Nullable String tenant, Runnable task) {
		try (Scope scope = enter(tenant)) {
			task.run();
		}
	}

	/**
	 * The current tenant.
	 * @return the tenant's id, or {@code null} when there is none
	 */
	public static @Nullable String current() {
		return Target.current().tenant();
	}

	/**
	 * The current tenant, which must be there.
	 * @return the tenant's id
	 * @throws NoTenantException if there is none
	 */
	public static String require() {
		String tenant = current();
		if (tenant == null) {
			throw new NoTenantException("No tenant is current on thread '" + Thread.currentThread().getName()
					+ "'. Enter one with @Tenant, TenantContext.enter(…) or a configured web resolver.");
		}
		return tenant;
	}

	/**
	 * Checks a tenant id without looking anything up.
	 * @param tenant the id, or {@code null}
	 * @return the same id
	 * @throws NoTenantException if it is {@code null}
	 * @throws InvalidTenantException if it is malformed
	 */
	public static String check(@Nullable String tenant) {
		if (tenant == null) {
			throw new NoTenantException("The tenant is null. Pass the id of a tenant, such as \"acme\".");
		}
		int length = tenant.length();
		if (length == 0 || length > MAX_LENGTH || tenant.charAt(0) == '.') {
			throw new InvalidTenantException(tenant);
		}
		for (int i = 0; i < length; i++) {
			if (!isAllowed(tenant.charAt(i))) {
				throw new InvalidTenantException(tenant);
			}
		}
		return tenant;
	}

	private static boolean isAllowed(char c) {
		return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_'
				|| c == '-';
	}

}
