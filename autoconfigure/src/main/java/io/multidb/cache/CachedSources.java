package io.multidb.cache;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.function.Supplier;

import org.jspecify.annotations.Nullable;

import io.multidb.Operation;
import io.multidb.Target;
import io.multidb.routing.Routes;
import io.multidb.routing.TargetAccess;

/**
 * Tells whose entries a target's are: those of the thread's target, or those of one call,
 * which goes on when its thread works for another. Thread-safe.
 */
final class CachedSources {

	private final Supplier<Routes> routes;

	private final Supplier<@Nullable TargetAccess> access;

	/**
	 * What an application tells tenants of one source apart by; gives {@code null} if it
	 * does not.
	 */
	private final Supplier<Supplier<@Nullable Object>> identifiers;

	private final SourceCache.CurrentSource ofThread = new OfThread();

	CachedSources(Supplier<Routes> routes, Supplier<@Nullable TargetAccess> access,
			Supplier<Supplier<@Nullable Object>> identifiers) {
		this.routes = routes;
		this.access = access;
		this.identifiers = identifiers;
	}

	/** The source of whichever thread asks, at the time. */
	SourceCache.CurrentSource ofThread() {
		return this.ofThread;
	}

	/** The source that the calling thread has now, whichever thread asks later. */
	Call ofThisCall() {
		Target target = Target.current();
		return new Call(target, identifier(target));
	}

	/** The application's own for the calling thread, as it may ask for anything. */
	private @Nullable Object identifier(Target target) {
		return hasNone(target) ? null : this.identifiers.get().get();
	}

	private String identity(Target target, @Nullable Object identifier) {
		if (hasNone(target)) {
			return "";
		}
		TargetAccess rules = this.access.get();
		String source = ((rules != null) ? rules.resolve(target) : this.routes.get().resolve(target)).identity();
		// Without a colon, which ends it.
		return (identifier == null) ? source
				: source + "/" + URLEncoder.encode(identifier.toString(), StandardCharsets.UTF_8);
	}

	private void check(Target target) {
		TargetAccess rules = this.access.get();
		if (rules != null && !hasNone(target)) {
			rules.check(target, Operation.READ);
		}
	}

	private boolean hasMoved(Target target) {
		return !hasNone(target)
				&& (this.routes.get().hasMoved(target) || this.routes.get().resolve(target).isFallenBack());
	}

	/**
	 * What is computed without a target can come from no source, so it is kept for those
	 * without; a target that leads nowhere is refused.
	 */
	private boolean hasNone(Target target) {
		return target.tenant() == null && target.source() == null && !this.routes.get().hasNoTenantSource();
	}

	private final class OfThread implements SourceCache.CurrentSource {

		@Override
		public String identity() {
			Target target = Target.current();
			return CachedSources.this.identity(target, identifier(target));
		}

		@Override
		public void check() {
			CachedSources.this.check(Target.current());
		}

		@Override
		public boolean hasMoved() {
			return CachedSources.this.hasMoved(Target.current());
		}

		@Override
		public Call ofThisCall() {
			return CachedSources.this.ofThisCall();
		}

	}

	/** Of one call of a method whose result may be there later. */
	final class Call implements SourceCache.CurrentSource {

		private final Target target;

		private final @Nullable Object identifier;

		/** Who subscribed to the result, if that was not who called. */
		private volatile @Nullable Call elsewhere;

		/** Whether it was done on a fallback, which the calling thread alone knows. */
		private volatile boolean moved;

		private Call(Target target, @Nullable Object identifier) {
			this.target = target;
			this.identifier = identifier;
		}

		Target target() {
			return this.target;
		}

		/**
		 * Tells of somebody who begins the work that the call has put off. If he has
		 * another target, it is his work, and its result is not the caller's to keep.
		 */
		void begin() {
			if (!Target.current().isSameAs(this.target)) {
				this.elsewhere = CachedSources.this.ofThisCall();
			}
		}

		@Override
		public String identity() {
			return CachedSources.this.identity(this.target, this.identifier);
		}

		@Override
		public void check() {
			CachedSources.this.check(this.target);
		}

		/** The method has returned, on the thread on which it was called. */
		void returned() {
			this.moved = CachedSources.this.hasMoved(this.target);
		}

		@Override
		public boolean hasMoved() {
			return this.moved || this.elsewhere != null || CachedSources.this.hasMoved(this.target);
		}

		@Override
		public Call ofThisCall() {
			return this;
		}

		@Override
		public @Nullable String changed() {
			Call other = this.elsewhere;
			return (other != null) ? other.identity() : null;
		}

	}

}
