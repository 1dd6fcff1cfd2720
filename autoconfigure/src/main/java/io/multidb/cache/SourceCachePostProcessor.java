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

import io.multidb.Target;
import io.multidb.routing.Routes;

/**
 * Lets every {@link CacheManager} hand out caches in which each source has its own
 * entries, whoever asks: {@code @Cacheable} with or without a key of its own,
 * {@code @CachePut}, {@code @CacheEvict}, or code. The cache managers keep their classes.
 */
public final class SourceCachePostProcessor implements BeanPostProcessor {

	/** Among the names of shared caches, stands for all. */
	private static final String ALL = "*";

	private final Supplier<Routes> routes;

	private final Supplier<Set<String>> shared;

	/**
	 * Creates the post-processor.
	 * @param routes the way from a target to a source
	 * @param shared names of the caches that all sources share, asked for at the first
	 * use
	 */
	public SourceCachePostProcessor(Supplier<Routes> routes, Supplier<Set<String>> shared) {
		this.routes = routes;
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
		return (names.contains(ALL) || names.contains(cache.getName())) ? cache
				: new SourceCache(cache, this::currentSource, this::isFallenBack);
	}

	/**
	 * What is computed without a target can come from no source, so it is kept for those
	 * without; a target that leads nowhere is refused.
	 */
	private String currentSource() {
		Target target = Target.current();
		Routes current = this.routes.get();
		return isNone(target, current) ? "" : current.resolve(target).name();
	}

	private static boolean isNone(Target target, Routes routes) {
		return target.tenant() == null && target.source() == null && !routes.hasNoTenantSource();
	}

	private boolean isFallenBack() {
		Target target = Target.current();
		Routes current = this.routes.get();
		return !isNone(target, current) && current.resolve(target).isFallenBack();
	}

}
