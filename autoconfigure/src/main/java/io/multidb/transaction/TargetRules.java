package io.multidb.transaction;

import java.lang.annotation.Annotation;
import java.lang.reflect.AnnotatedElement;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

import org.jspecify.annotations.Nullable;

import org.springframework.aop.support.AopUtils;
import org.springframework.core.MethodClassKey;
import org.springframework.core.annotation.MergedAnnotation;
import org.springframework.core.annotation.MergedAnnotations;
import org.springframework.core.annotation.MergedAnnotations.SearchStrategy;
import org.springframework.util.ClassUtils;
import org.springframework.util.ReflectionUtils;
import org.springframework.util.StringValueResolver;

import io.multidb.Tenant;
import io.multidb.UseSource;

/**
 * Finds what {@link Tenant @Tenant} and {@link UseSource @UseSource} ask for on a method:
 * the method's own annotation before its type's, a class's before its interfaces'.
 * Thread-safe; each method is looked at once.
 */
final class TargetRules {

	private final Map<MethodClassKey, Optional<TargetRule>> rules = new ConcurrentHashMap<>();

	private final Set<Class<?>> checked = ConcurrentHashMap.newKeySet();

	private final StringValueResolver placeholders;

	TargetRules(StringValueResolver placeholders) {
		this.placeholders = placeholders;
	}

	/**
	 * The rule for a method of a class.
	 * @return the rule, or {@code null} if neither annotation is there
	 * @throws IllegalStateException if an annotation can never work
	 */
	@Nullable TargetRule find(Method method, Class<?> type) {
		if (ReflectionUtils.isObjectMethod(method)) {
			return null;
		}
		MethodClassKey key = new MethodClassKey(method, type);
		Optional<TargetRule> known = this.rules.get(key);
		if (known == null) {
			known = Optional.ofNullable(read(method, type));
			this.rules.put(key, known);
		}
		return known.orElse(null);
	}

	private @Nullable TargetRule read(Method method, Class<?> type) {
		Method specific = AopUtils.getMostSpecificMethod(method, type);
		TargetRule rule = read(specific, specific);
		if (rule == null && !specific.equals(method)) {
			rule = read(method, specific);
		}
		if (rule == null) {
			rule = read(ClassUtils.getUserClass(type), specific);
		}
		if (rule == null) {
			rule = read(method.getDeclaringClass(), specific);
		}
		return rule;
	}

	private @Nullable TargetRule read(AnnotatedElement element, Method method) {
		MergedAnnotations annotations = MergedAnnotations.from(element, SearchStrategy.TYPE_HIERARCHY);
		MergedAnnotation<Tenant> tenant = annotations.get(Tenant.class);
		MergedAnnotation<UseSource> source = annotations.get(UseSource.class);
		if (tenant.isPresent() && source.isPresent() && tenant.getAggregateIndex() == source.getAggregateIndex()) {
			throw new IllegalStateException("Both @Tenant and @UseSource stand on " + element + ": choose one.");
		}
		if (isNearer(tenant, source)) {
			return TargetRule.of(TargetRule.Kind.TENANT, tenant.getString("value"), tenant.getBoolean("create"),
					describe(tenant, element), method, annotatedMethod(tenant, method), this.placeholders);
		}
		if (source.isPresent()) {
			return TargetRule.of(TargetRule.Kind.SOURCE, source.getString("value"), false, describe(source, element),
					method, annotatedMethod(source, method), this.placeholders);
		}
		return null;
	}

	private static boolean isNearer(MergedAnnotation<Tenant> tenant, MergedAnnotation<UseSource> source) {
		return tenant.isPresent() && (!source.isPresent() || tenant.getAggregateIndex() < source.getAggregateIndex());
	}

	private static Method annotatedMethod(MergedAnnotation<?> annotation, Method method) {
		return (annotation.getSource() instanceof Method annotated
				&& annotated.getParameterCount() == method.getParameterCount()) ? annotated : method;
	}

	private static String describe(MergedAnnotation<?> annotation, AnnotatedElement element) {
		return "@" + annotation.getType().getSimpleName() + "(\"" + annotation.getString("value") + "\") on " + element;
	}

	/**
	 * Refuses a class on which an annotation would be ignored: a proxy cannot intercept
	 * private, static or final methods.
	 * @throws IllegalStateException if there is such a method
	 */
	void checkProxyable(Class<?> type) {
		Class<?> userClass = ClassUtils.getUserClass(type);
		if (userClass.isInterface() || !this.checked.add(userClass)) {
			return;
		}
		boolean onType = isAnnotated(MergedAnnotations.from(userClass, SearchStrategy.TYPE_HIERARCHY));
		for (Class<?> each = userClass; each != null && each != Object.class; each = each.getSuperclass()) {
			for (Method method : each.getDeclaredMethods()) {
				int modifiers = method.getModifiers();
				boolean hidden = Modifier.isPrivate(modifiers) || Modifier.isStatic(modifiers);
				boolean fixed = Modifier.isFinal(modifiers) && !hidden;
				boolean annotated = (hidden || fixed) && isAnnotated(MergedAnnotations.from(method));
				boolean coveredByType = fixed && onType && !method.isSynthetic()
						&& !ReflectionUtils.isObjectMethod(method);
				if (annotated || coveredByType) {
					throw new IllegalStateException("@Tenant or @UseSource on " + method
							+ " would be ignored: a proxy cannot intercept a private, static or final method. Make it"
							+ " overridable, or enter the tenant in its body with TenantContext.");
				}
			}
		}
	}

	private static boolean isAnnotated(MergedAnnotations annotations) {
		for (Class<? extends Annotation> type : Set.of(Tenant.class, UseSource.class)) {
			if (annotations.isPresent(type)) {
				return true;
			}
		}
		return false;
	}

}
