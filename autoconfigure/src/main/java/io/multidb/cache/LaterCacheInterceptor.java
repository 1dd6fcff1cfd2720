package io.multidb.cache;

import java.io.Serial;
import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Method;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;

import org.aopalliance.intercept.MethodInvocation;
import org.jspecify.annotations.Nullable;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

import org.springframework.cache.interceptor.CacheInterceptor;
import org.springframework.core.ReactiveAdapter;
import org.springframework.core.ReactiveAdapterRegistry;
import org.springframework.util.ClassUtils;

import io.multidb.Scope;
import io.multidb.Target;

/**
 * Caches what a method gives later, a future or publisher, for whoever called it: Spring
 * puts and evicts on the thread that completes it, which may work for anybody by then.
 * Methods that cannot give such a thing are Spring's own interceptor's. Thread-safe.
 */
final class LaterCacheInterceptor extends CacheInterceptor {

	@Serial
	private static final long serialVersionUID = 1L;

	private static final boolean REACTOR = ClassUtils.isPresent("reactor.core.publisher.Mono",
			LaterCacheInterceptor.class.getClassLoader());

	/** Set while Spring works for a call, and not while the method itself runs. */
	private static final ThreadLocal<CachedSources.@Nullable Call> CURRENT = new ThreadLocal<>();

	private final CacheInterceptor interceptor;

	private final transient Supplier<CachedSources.Call> calls;

	/**
	 * Creates the interceptor.
	 * @param interceptor Spring's, which does the work
	 * @param calls begin a call
	 */
	LaterCacheInterceptor(CacheInterceptor interceptor, Supplier<CachedSources.Call> calls) {
		this.interceptor = interceptor;
		this.calls = calls;
	}

	/** The call for which the calling thread looks for caches, if it does. */
	static CachedSources.@Nullable Call current() {
		return CURRENT.get();
	}

	@Override
	public @Nullable Object invoke(MethodInvocation invocation) throws Throwable {
		if (!mayComeLater(invocation.getMethod().getReturnType())) {
			return this.interceptor.invoke(invocation);
		}
		CachedSources.Call call = this.calls.get();
		CachedSources.Call former = CURRENT.get();
		CURRENT.set(call);
		try {
			return this.interceptor.invoke(new Invocation(invocation, call));
		}
		finally {
			putBack(former);
		}
	}

	/** A method that declares less than it gives, too. */
	private static boolean mayComeLater(Class<?> type) {
		return type.isAssignableFrom(CompletableFuture.class) || CompletionStage.class.isAssignableFrom(type)
				|| ReactiveAdapterRegistry.getSharedInstance().getAdapter(type) != null;
	}

	private static void putBack(CachedSources.@Nullable Call former) {
		if (former != null) {
			CURRENT.set(former);
		}
		else {
			CURRENT.remove();
		}
	}

	@Override
	public void afterSingletonsInstantiated() {
		this.interceptor.afterSingletonsInstantiated();
	}

	/**
	 * The call, as Spring's interceptor sees it. A cache that answers late has it go on
	 * on another thread.
	 */
	private static final class Invocation implements MethodInvocation {

		private final MethodInvocation invocation;

		private final CachedSources.Call call;

		Invocation(MethodInvocation invocation, CachedSources.Call call) {
			this.invocation = invocation;
			this.call = call;
		}

		@Override
		public @Nullable Object proceed() throws Throwable {
			CachedSources.Call former = CURRENT.get();
			CURRENT.remove();
			try {
				Object result = proceedForCaller();
				this.call.returned();
				return (REACTOR && result != null) ? Publishers.observed(result, this.call) : result;
			}
			finally {
				putBack(former);
			}
		}

		private @Nullable Object proceedForCaller() throws Throwable {
			if (Target.current().isSameAs(this.call.target())) {
				return this.invocation.proceed();
			}
			try (Scope scope = this.call.target().enter()) {
				return this.invocation.proceed();
			}
		}

		@Override
		public Method getMethod() {
			return this.invocation.getMethod();
		}

		@Override
		public @Nullable Object[] getArguments() {
			return this.invocation.getArguments();
		}

		@Override
		public @Nullable Object getThis() {
			return this.invocation.getThis();
		}

		@Override
		public AccessibleObject getStaticPart() {
			return this.invocation.getStaticPart();
		}

	}

	/** Its classes are loaded only where they are there. */
	private static final class Publishers {

		static Object observed(Object result, CachedSources.Call call) {
			ReactiveAdapter adapter = (result instanceof CompletionStage) ? null
					: ReactiveAdapterRegistry.getSharedInstance().getAdapter(result.getClass());
			if (adapter == null) {
				return result;
			}
			Publisher<Object> publisher = adapter.toPublisher(result);
			Supplier<Publisher<Object>> begun = () -> {
				call.begin();
				return publisher;
			};
			return adapter
				.fromPublisher(adapter.isMultiValue() ? Flux.defer(begun) : Mono.defer(() -> Mono.from(begun.get())));
		}

	}

}
