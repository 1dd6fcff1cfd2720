package io.multidb;

import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceFieldUpdater;

import org.jspecify.annotations.Nullable;

/**
 * Where a thread's database work goes: a tenant, which routes resolve to a source, or a
 * source named directly, or nowhere.
 * <p>
 * Immutable as far as callers can tell and safe to hand to another thread; that is how a
 * task takes its caller's target along: <pre>
 * Target target = Target.current();
 * executor.execute(() -&gt; {
 *     try (Scope scope = target.enter()) { … }
 * });
 * </pre> Application code usually needs only {@link TenantContext} and
 * {@link SourceContext}.
 */
public final class Target {

	/**
	 * Counts what is let go of: once before, so that what was looked up until then is not
	 * remembered after it, and once after, as whoever looked in between saw it still
	 * there.
	 */
	private static final AtomicLong FORGOTTEN = new AtomicLong();

	private static final AtomicReferenceFieldUpdater<Target, @Nullable Object> RESOLUTION = AtomicReferenceFieldUpdater
		.newUpdater(Target.class, Object.class, "resolution");

	/** The target of a thread that has entered none. */
	static final Target NONE = new Target(null, null, null);

	private static final int MAX_KNOWN = 10_000;

	/**
	 * Tenants' targets that led to a source, for the next scope of the same tenant; not
	 * more than {@link #MAX_KNOWN}, as anybody may invent tenants.
	 */
	private static final Map<String, Target> KNOWN = new ConcurrentHashMap<>();

	private final @Nullable String tenant;

	private final @Nullable String source;

	/** What it is a part of; {@code null} for nothing in particular. */
	private final @Nullable Object work;

	/** What a router made of this target; of several look-ups the first one counts. */
	private volatile @Nullable Object resolution;

	/** When it was last known that nothing had been let go of that it leads to. */
	private volatile long asOf = FORGOTTEN.get();

	private Target(@Nullable String tenant, @Nullable String source, @Nullable Object work) {
		this.tenant = tenant;
		this.source = source;
		this.work = work;
	}

	/**
	 * The calling thread's target.
	 * @return the target; one without tenant and source when none was entered
	 */
	public static Target current() {
		return Scope.current();
	}

	/**
	 * The target of work for a tenant.
	 * @param tenant the tenant's id
	 * @return the target
	 * @throws NoTenantException if the tenant is {@code null}
	 * @throws InvalidTenantException if the id is malformed
	 */
	public static Target ofTenant(@Nullable String tenant) {
		Target known = (tenant != null) ? KNOWN.get(tenant) : null;
		return (known != null) ? known : new Target(TenantContext.check(tenant), null, null);
	}

	/**
	 * The target of work on a source named directly; the thread's current tenant stays
	 * along.
	 * @param source the source's name
	 * @return the target
	 */
	public static Target ofSource(String source) {
		return new Target(current().tenant, Objects.requireNonNull(source, "source"), null);
	}

	/**
	 * No target: entering it hides the calling thread's until the scope is closed.
	 * @return the target without tenant and source
	 */
	public static Target none() {
		return NONE;
	}

	/**
	 * Makes this the calling thread's target until the scope is closed. Where the tenant
	 * leads is decided anew if it was mapped to another source since this target was
	 * used; scopes that are open stay where they are.
	 * @return the scope, to be closed on this thread
	 */
	public Scope enter() {
		return Scope.open(renewed());
	}

	private Target renewed() {
		long now = FORGOTTEN.get();
		if (this.asOf == now || this.tenant == null || this.source != null || this.work != null) {
			return this;
		}
		if (KNOWN.get(this.tenant) == this) {
			this.asOf = now;
			return this;
		}
		return ofTenant(this.tenant);
	}

	/**
	 * The tenant the work is done for.
	 * @return the tenant, or {@code null} when there is none
	 */
	public @Nullable String tenant() {
		return this.tenant;
	}

	/**
	 * The source that was named directly.
	 * @return the source's name, or {@code null} when the tenant's route decides
	 */
	public @Nullable String source() {
		return this.source;
	}

	/**
	 * The same target, for work that something is to be known of where connections are
	 * taken; scopes inside its scope belong to the same work. Meant for sources and for
	 * what asks many of them; it is no place for an application's own.
	 * @param work what is to be known
	 * @return the target
	 */
	public Target within(Object work) {
		return new Target(this.tenant, this.source, Objects.requireNonNull(work, "work"));
	}

	/**
	 * What this target's work is a part of.
	 * @return what was given to {@link #within}, or {@code null} for nothing in
	 * particular
	 */
	public @Nullable Object work() {
		return this.work;
	}

	/**
	 * Whether this is the same tenant and the same named source as another target.
	 * @param other the other target
	 * @return whether both lead to the same place
	 */
	public boolean isSameAs(Target other) {
		return this == other
				|| (Objects.equals(this.tenant, other.tenant) && Objects.equals(this.source, other.source));
	}

	/**
	 * What a router remembered with {@link #resolution(Object, Object, long)}.
	 * @return the remembered value, or {@code null} when there is none
	 */
	public @Nullable Object resolution() {
		return this.resolution;
	}

	/**
	 * Lets a router remember what this target means to it, so that it looks it up once
	 * per tenant and not once per connection. Of threads that look it up at the same time
	 * the first one decides for all of them: one that was slow may know only what was
	 * true before. Meant for routers; the value must be safe to share between threads and
	 * must know whose it is.
	 * @param former what {@link #resolution()} said before it was looked up
	 * @param found the value to remember
	 * @param forgotten what {@link #forgotten()} said before it was looked up: if
	 * anything was let go of since, only this target remembers it, and not the tenant's
	 * next scope
	 * @return what is remembered now
	 */
	public Object resolution(@Nullable Object former, Object found, long forgotten) {
		if (this == NONE) {
			return found;
		}
		if (!RESOLUTION.compareAndSet(this, former, found)) {
			return Objects.requireNonNullElse(this.resolution, found);
		}
		if (former == null) {
			// What was remembered before may be older than that.
			this.asOf = forgotten;
		}
		if (former == null && this.source == null && this.tenant != null && this.work == null) {
			if (KNOWN.size() >= MAX_KNOWN) {
				KNOWN.clear();
			}
			// Whoever lets go counts first and removes afterwards, so it is noticed here
			// or removes this.
			KNOWN.compute(this.tenant, (tenant, known) -> (FORGOTTEN.get() == forgotten) ? this : known);
		}
		return found;
	}

	/**
	 * How often anything was let go of. To be asked before something is looked up that is
	 * to be remembered.
	 * @return a number that only grows
	 */
	public static long forgotten() {
		return FORGOTTEN.get();
	}

	/**
	 * Lets go of all tenants' targets and of what they lead to, because something that
	 * any of them may lead to is gone; those of open scopes stay. Meant for registries.
	 */
	public static void forgetResolutions() {
		FORGOTTEN.incrementAndGet();
		KNOWN.clear();
		FORGOTTEN.incrementAndGet();
	}

	/**
	 * Lets go of one tenant's target and of what it leads to, because it is gone or the
	 * tenant leads elsewhere now; those of open scopes stay. Meant for registries and
	 * routers.
	 * @param tenant the tenant's id
	 */
	public static void forgetResolution(String tenant) {
		FORGOTTEN.incrementAndGet();
		KNOWN.remove(tenant);
		FORGOTTEN.incrementAndGet();
	}

	/**
	 * What was kept for the calling thread's outermost scope.
	 * @return the value, or {@code null} when there is none
	 * @see #keep(Object)
	 */
	public static @Nullable Object kept() {
		return Scope.kept();
	}

	/**
	 * Keeps a value until the calling thread's outermost scope ends, in place of the one
	 * before; scopes inside it see the same. Meant for sources, which decide there once
	 * for all that a thread does in a scope; it is no place for an application's own.
	 * @param value the value
	 * @return whether it is kept; {@code false} if no scope is open
	 */
	public static boolean keep(Object value) {
		return Scope.keep(value);
	}

	@Override
	public String toString() {
		if (this.source != null) {
			return "source '" + MultiDbException.printable(this.source) + "'";
		}
		return (this.tenant != null) ? "tenant '" + this.tenant + "'" : "no tenant";
	}

}
