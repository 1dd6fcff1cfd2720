package io.multidb.cache;

import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.Set;
import java.util.function.Supplier;

import org.aopalliance.intercept.MethodInterceptor;
import org.aopalliance.intercept.MethodInvocation;
import org.jspecify.annotations.Nullable;

import org.springframework.aop.framework.ProxyFactory;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.cache.Cache;
import org.springframework.cache.CacheManager;

import io.multidb.Operation;
import io.multidb.Target;
import io.multidb.routing.Routes;
import io.multidb.routing.TargetAccess;

/**
 * Lets every {@link CacheManager} hand out caches in which each source has its own
 * entries, whoever asks: {@code @Cacheable} with or without a key of its own,
 * {@code @CachePut}, {@code @CacheEvict}, or code. The cache managers keep their classes.
 */
public final class SourceCachePostProcessor implements BeanPostProcessor {

	/** Among the names of shared caches, stands for all. */
	private static final String ALL = "*";

	private final Supplier<Routes> routes;

	private final Supplier<@Nullable TargetAccess> access;

	private final Supplier<Set<String>> shared;

	private final SourceCache.CurrentSource sources = new CurrentSource();

	/**
	 * Creates the post-processor.
	 * @param routes the way from a target to a source
	 * @param access the rules about who may use what is kept, asked for each time, and
	 * {@code null} if there are none
	 * @param shared names of the caches that all sources share, asked for at the first
	 * use
	 */
	public SourceCachePostProcessor(Supplier<Routes> routes, Supplier<@Nullable TargetAccess> access,
			Supplier<Set<String>> shared) {
		this.routes = routes;
		this.access = access;
		this.shared = shared;
	}

	@Override
	public Object postProcessAfterInitialization(Object bean, String beanName) {
		if (!(bean instanceof CacheManager)) {
			return bean;
		}
		ProxyFactory factory = new ProxyFactory(bean);
		factory.setProxyTargetClass(
				!Proxy.isProxyClass(bean.getClass()) && !Modifier.isFinal(bean.getClass().getModifiers()));
		factory.addAdvice((MethodInterceptor) this::getCache);
		return factory.getProxy(bean.getClass().getClassLoader());
	}

	private @Nullable Object getCache(MethodInvocation invocation) throws Throwable {
		Object result = invocation.proceed();
		if (!(result instanceof Cache cache) || result instanceof SourceCache
				|| !invocation.getMethod().getName().equals("getCache")) {
			return result;
		}
		Set<String> names = this.shared.get();
		return (names.contains(ALL) || names.contains(cache.getName())) ? cache : new SourceCache(cache, this.sources);
	}

	private final class CurrentSource implements SourceCache.CurrentSource {

		@Override
		public String identity() {
			Target target = Target.current();
			if (hasNone(target)) {
				return "";
			}
			TargetAccess rules = SourceCachePostProcessor.this.access.get();
			return ((rules != null) ? rules.resolve(target) : routes().resolve(target)).identity();
		}

		@Override
		public void check() {
			Target target = Target.current();
			TargetAccess rules = SourceCachePostProcessor.this.access.get();
			if (rules != null && !hasNone(target)) {
				rules.check(target, Operation.READ);
			}
		}

		@Override
		public boolean hasMoved() {
			Target target = Target.current();
			return !hasNone(target) && (routes().hasMoved(target) || routes().resolve(target).isFallenBack());
		}

		/**
		 * What is computed without a target can come from no source, so it is kept for
		 * those without; a target that leads nowhere is refused.
		 */
		private boolean hasNone(Target target) {
			return target.tenant() == null && target.source() == null && !routes().hasNoTenantSource();
		}

		private Routes routes() {
			return SourceCachePostProcessor.this.routes.get();
		}

	}

}
