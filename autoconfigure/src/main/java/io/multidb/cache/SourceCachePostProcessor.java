package io.multidb.cache;

import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

import org.aopalliance.intercept.MethodInterceptor;
import org.aopalliance.intercept.MethodInvocation;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.aop.framework.ProxyFactory;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.cache.Cache;
import org.springframework.cache.CacheManager;
import org.springframework.cache.interceptor.CacheAspectSupport;
import org.springframework.cache.interceptor.CacheInterceptor;
import org.springframework.cache.interceptor.CacheResolver;
import org.springframework.core.Ordered;

import io.multidb.Target;
import io.multidb.routing.Routes;
import io.multidb.routing.TargetAccess;

/**
 * Lets every {@link CacheManager} and {@link CacheResolver} hand out caches in which each
 * source has its own entries, whoever asks: {@code @Cacheable} with or without a key of
 * its own, {@code @CachePut}, {@code @CacheEvict}, or code. They keep their classes. What
 * a method gives later is kept for who called it.
 */
public final class SourceCachePostProcessor implements BeanPostProcessor, SmartInitializingSingleton, Ordered {

	private static final Logger logger = LoggerFactory.getLogger(SourceCachePostProcessor.class);

	/** Among the names of shared caches, stands for all. */
	private static final String ALL = "*";

	private final CachedSources sources;

	private final Supplier<Set<String>> shared;

	/** Spring's, which may have resolvers and managers that are no beans. */
	private final List<CacheAspectSupport> aspects = new ArrayList<>();

	/**
	 * Creates the post-processor.
	 * @param routes the way from a target to a source
	 * @param access the rules about who may use what is kept, asked for each time, and
	 * {@code null} if there are none
	 * @param shared names of the caches that all sources share, asked for at the first
	 * use
	 * @param identifiers asked for at the first use for what the application tells
	 * tenants of one source apart by, which gives {@code null} if they share entries
	 */
	public SourceCachePostProcessor(Supplier<Routes> routes, Supplier<@Nullable TargetAccess> access,
			Supplier<Set<String>> shared, Supplier<Supplier<@Nullable Object>> identifiers) {
		this.sources = new CachedSources(routes, access, identifiers);
		this.shared = shared;
	}

	/**
	 * Post-processors without an order are made when Spring's interceptor already has
	 * been.
	 */
	@Override
	public int getOrder() {
		return Ordered.LOWEST_PRECEDENCE;
	}

	@Override
	public Object postProcessAfterInitialization(Object bean, String beanName) {
		if (bean instanceof CacheAspectSupport aspect) {
			this.aspects.add(aspect);
		}
		if (bean instanceof CacheInterceptor interceptor) {
			return new LaterCacheInterceptor(interceptor, this.sources::ofThisCall);
		}
		if (bean instanceof CacheAspectSupport) {
			logger.warn(
					"Bean '{}' ({}) caches futures and publishers for whichever source is current where they"
							+ " complete: use @EnableCaching without AspectJ if methods that return such are cached",
					beanName, bean.getClass().getName());
		}
		return (bean instanceof CacheManager || bean instanceof CacheResolver) ? bySource(bean) : bean;
	}

	/** Not earlier, as asking for its resolver makes what that needs. */
	@Override
	public void afterSingletonsInstantiated() {
		for (CacheAspectSupport aspect : this.aspects) {
			CacheResolver resolver = aspect.getCacheResolver();
			if (resolver != null) {
				aspect.setCacheResolver((context) -> bySource(resolver.resolveCaches(context)));
			}
		}
	}

	private Object bySource(Object bean) {
		ProxyFactory factory = new ProxyFactory(bean);
		factory.setProxyTargetClass(
				!Proxy.isProxyClass(bean.getClass()) && !Modifier.isFinal(bean.getClass().getModifiers()));
		factory.addAdvice((MethodInterceptor) this::findCaches);
		return factory.getProxy(bean.getClass().getClassLoader());
	}

	private @Nullable Object findCaches(MethodInvocation invocation) throws Throwable {
		Object result = invocation.proceed();
		String method = invocation.getMethod().getName();
		if (method.equals("getCache") && result instanceof Cache cache) {
			return bySource(cache);
		}
		if (method.equals("resolveCaches") && result instanceof Collection<?> caches) {
			return bySource(caches.stream().map(Cache.class::cast).toList());
		}
		return result;
	}

	private Collection<? extends Cache> bySource(Collection<? extends Cache> caches) {
		return caches.stream().map(this::bySource).toList();
	}

	/** Also one that is kept, and so may be of a call that has long ended. */
	private Cache bySource(Cache cache) {
		Set<String> names = this.shared.get();
		if (names.contains(ALL) || names.contains(cache.getName())) {
			return cache;
		}
		CachedSources.Call its = LaterCacheInterceptor.current();
		// Not of what is called by a part of it, for another.
		return SourceCache.of(cache,
				(its != null && Target.current().isSameAs(its.target())) ? its : this.sources.ofThread());
	}

}
