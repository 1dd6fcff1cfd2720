package io.multidb.transaction;

import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

import org.jspecify.annotations.Nullable;

import org.springframework.aop.framework.AopInfrastructureBean;
import org.springframework.beans.factory.FactoryBean;
import org.springframework.beans.factory.config.BeanFactoryPostProcessor;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.annotation.MergedAnnotations;
import org.springframework.transaction.TransactionManager;
import org.springframework.util.ClassUtils;
import org.springframework.util.ReflectionUtils;

import io.multidb.Tenant;
import io.multidb.UseSource;
import io.multidb.discovery.TenantPackages;

/**
 * Which package speaks for a bean that nobody annotated: that of its class, or else of
 * the nearest superclass whose package says anything. Immutable.
 */
final class PackageTargets {

	/** They pass requests on to others, whose tenant is not theirs. */
	private static final Set<String> PASSED_THROUGH = Set.of("jakarta.servlet.Filter", "jakarta.servlet.Servlet",
			"org.springframework.web.server.WebFilter", "javax.sql.DataSource");

	private static final List<Class<?>> INFRASTRUCTURE = List.of(BeanPostProcessor.class,
			BeanFactoryPostProcessor.class, FactoryBean.class, AopInfrastructureBean.class, TransactionManager.class);

	private final TenantPackages packages;

	PackageTargets(TenantPackages packages) {
		this.packages = packages;
	}

	/**
	 * The package that speaks for a bean.
	 * @param type the bean's class, or that of a repository's proxy
	 * @return the package, or {@code null} if none does
	 */
	@Nullable Speaker find(Class<?> type) {
		Speaker speaker = Proxy.isProxyClass(type) ? ofInterfaces(type) : ofClass(type);
		return (speaker != null && isService(type)) ? speaker : null;
	}

	private @Nullable Speaker ofInterfaces(Class<?> proxy) {
		for (Class<?> each : proxy.getInterfaces()) {
			Speaker speaker = speaker(each);
			if (speaker != null) {
				return speaker;
			}
		}
		return null;
	}

	private @Nullable Speaker ofClass(Class<?> type) {
		for (Class<?> each = type; each != null; each = each.getSuperclass()) {
			Speaker speaker = speaker(each);
			if (speaker != null) {
				return speaker;
			}
		}
		return null;
	}

	private @Nullable Speaker speaker(Class<?> type) {
		Package its = type.getPackage();
		if (its == null || TargetRules.isSprings(type)) {
			return null;
		}
		MergedAnnotations annotations = MergedAnnotations.from(its);
		if (annotations.isPresent(Tenant.class) || annotations.isPresent(UseSource.class)) {
			return new Speaker(its, null);
		}
		String tenant = this.packages.tenantOf(its.getName());
		return (tenant != null) ? new Speaker(its, tenant) : null;
	}

	/** What else may be a bean works for nobody, or before there is anybody. */
	private static boolean isService(Class<?> type) {
		if (type.isRecord() || type.isEnum() || type.isAnnotation()) {
			return false;
		}
		if (INFRASTRUCTURE.stream().anyMatch((each) -> each.isAssignableFrom(type))) {
			return false;
		}
		if (ClassUtils.getAllInterfacesForClassAsSet(type)
			.stream()
			.anyMatch((each) -> PASSED_THROUGH.contains(each.getName()))) {
			return false;
		}
		MergedAnnotations annotations = MergedAnnotations.from(type, MergedAnnotations.SearchStrategy.TYPE_HIERARCHY);
		return !annotations.isPresent(Configuration.class) && !annotations.isPresent(ConfigurationProperties.class)
				&& !annotations.isPresent("org.aspectj.lang.annotation.Aspect") && !isFinalWithoutMethods(type);
	}

	/** A marker, say: there is nothing to be intercepted. */
	private static boolean isFinalWithoutMethods(Class<?> type) {
		return isFinal(type)
				&& Arrays.stream(ReflectionUtils.getUniqueDeclaredMethods(type)).noneMatch(PackageTargets::isOfService);
	}

	private static boolean isOfService(Method method) {
		return !Modifier.isPrivate(method.getModifiers()) && !Modifier.isStatic(method.getModifiers())
				&& method.getDeclaringClass() != Object.class && !ReflectionUtils.isObjectMethod(method);
	}

	/** Whether a proxy would have to be a subclass, which there cannot be. */
	static boolean isFinal(Class<?> type) {
		return Modifier.isFinal(type.getModifiers()) && !Proxy.isProxyClass(type) && !ClassUtils.isLambdaClass(type);
	}

	/**
	 * A package that speaks for a bean.
	 *
	 * @param its the package
	 * @param tenant the tenant that it is named after, or {@code null} if it is annotated
	 */
	record Speaker(Package its, @Nullable String tenant) {

	}

}
