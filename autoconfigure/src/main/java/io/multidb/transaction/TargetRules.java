package io.multidb.transaction;

import java.lang.annotation.Annotation;
import java.lang.reflect.AnnotatedElement;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

import org.jspecify.annotations.Nullable;

import org.springframework.aop.support.AopUtils;
import org.springframework.core.MethodClassKey;
import org.springframework.core.annotation.AnnotationUtils;
import org.springframework.core.annotation.MergedAnnotation;
import org.springframework.core.annotation.MergedAnnotations;
import org.springframework.core.annotation.MergedAnnotations.SearchStrategy;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.annotation.AnnotationTransactionAttributeSource;
import org.springframework.transaction.interceptor.TransactionAttribute;
import org.springframework.util.ClassUtils;
import org.springframework.util.ReflectionUtils;
import org.springframework.util.StringValueResolver;

import io.multidb.OpenTransaction;
import io.multidb.Tenant;
import io.multidb.UseSource;
import io.multidb.discovery.TenantPackages;

/**
 * Finds what {@link Tenant @Tenant} and {@link UseSource @UseSource} ask for on a method:
 * the method's own annotation before its type's, a class's before its superclass's before
 * its interfaces', and any of them before what a package says. Thread-safe; each class
 * and each method is looked at once.
 */
final class TargetRules {

	private static final List<Class<? extends Annotation>> ANNOTATIONS = List.of(Tenant.class, UseSource.class);

	/** Whether something of a bean's class, with all that it inherits, is annotated. */
	private final Map<Class<?>, Boolean> types = new ConcurrentHashMap<>();

	/** Whether a class or interface, without what it inherits, is annotated. */
	private final Map<Class<?>, Boolean> bearers = new ConcurrentHashMap<>();

	private final Map<MethodClassKey, Optional<TargetRule>> rules = new ConcurrentHashMap<>();

	private final PackageTargets packages;

	private final StringValueResolver placeholders;

	private final AnnotationTransactionAttributeSource transactions = new AnnotationTransactionAttributeSource(false);

	TargetRules(TenantPackages packages, StringValueResolver placeholders) {
		this.packages = new PackageTargets(packages);
		this.placeholders = placeholders;
		this.transactions.setEmbeddedValueResolver(placeholders);
	}

	/**
	 * Whether either annotation, or a package, concerns a class. All of its annotations
	 * are read then, so that a mistake fails the start and not a later call.
	 * @param type the class of a bean
	 * @return whether it is concerned
	 * @throws TargetMistakeException if an annotation can never work, or would be ignored
	 * because a proxy cannot intercept its method
	 */
	boolean concern(Class<?> type) {
		Class<?> userClass = ClassUtils.getUserClass(type);
		Boolean known = this.types.get(userClass);
		if (known == null) {
			known = readOrRefuse(userClass);
			this.types.put(userClass, known);
		}
		return known;
	}

	private boolean readOrRefuse(Class<?> type) {
		try {
			return read(type);
		}
		catch (TargetMistakeException ex) {
			throw ex.of(type);
		}
	}

	private boolean read(Class<?> type) {
		Set<Class<?>> hierarchy = new LinkedHashSet<>();
		collect(type, hierarchy);
		PackageTargets.Speaker speaker = this.packages.find(type);
		if (speaker == null && hierarchy.stream().noneMatch(this::bearsAnnotation)) {
			return false;
		}
		if (speaker != null && PackageTargets.isFinal(type) && type.getInterfaces().length == 0) {
			throw new TargetMistakeException(
					"Package " + speaker.its().getName() + " says whose work " + type.getName()
							+ " does, but no proxy can be made of a final class.",
					"Remove 'final', or put it in another package and enter the tenant with TenantContext.");
		}
		boolean applies = false;
		for (Class<?> each : hierarchy) {
			for (Method method : ReflectionUtils.getDeclaredMethods(each)) {
				TargetRule rule = find(method, type);
				checkInterceptable(method, rule);
				applies |= rule != null;
			}
		}
		if (applies && PackageTargets.isFinal(type) && ClassUtils.getAllInterfacesForClass(type).length == 0) {
			throw new TargetMistakeException(
					"@Tenant or @UseSource concerns " + type.getName() + ", but no proxy can be made of a final class.",
					"Remove 'final', or enter the tenant in its methods' bodies with TenantContext.");
		}
		return true;
	}

	private static void collect(Class<?> type, Set<Class<?>> hierarchy) {
		if (!Proxy.isProxyClass(type) && type != Object.class) {
			hierarchy.add(type);
		}
		if (type.getSuperclass() != null) {
			collect(type.getSuperclass(), hierarchy);
		}
		for (Class<?> each : type.getInterfaces()) {
			collect(each, hierarchy);
		}
	}

	private boolean bearsAnnotation(Class<?> type) {
		Boolean known = this.bearers.get(type);
		if (known == null) {
			known = !isSprings(type) && AnnotationUtils.isCandidateClass(type, ANNOTATIONS) && (isAnnotated(type)
					|| Stream.of(ReflectionUtils.getDeclaredMethods(type)).anyMatch(TargetRules::isAnnotated));
			this.bearers.put(type, known);
		}
		return known;
	}

	/** Most beans are: looking through their many methods would only slow the start. */
	static boolean isSprings(Class<?> type) {
		return type.getName().startsWith("org.springframework.");
	}

	private static boolean isAnnotated(AnnotatedElement element) {
		MergedAnnotations annotations = MergedAnnotations.from(element);
		return annotations.isPresent(Tenant.class) || annotations.isPresent(UseSource.class);
	}

	/**
	 * A type's annotation covers final methods too, except those of Spring's base
	 * classes, which set a bean up. Private methods only their own class calls.
	 */
	private static void checkInterceptable(Method method, @Nullable TargetRule rule) {
		boolean ignored = isHidden(method) ? isAnnotated(method) : Modifier.isFinal(method.getModifiers())
				&& rule != null && !method.isSynthetic() && !isSprings(method.getDeclaringClass());
		if (ignored) {
			throw new TargetMistakeException("@Tenant or @UseSource on " + method
					+ ", its type or package would be ignored: a proxy cannot intercept a private, static or final method.",
					"Make it overridable, or enter the tenant in its body with TenantContext.");
		}
		if (isAnnotated(method) && isCalledOnBareBean(method)) {
			throw new TargetMistakeException(
					"@Tenant or @UseSource on " + method
							+ " would be ignored: Spring calls it on the bean itself, before there is a proxy.",
					"Enter the tenant in its body with TenantContext.");
		}
	}

	private static boolean isCalledOnBareBean(Method method) {
		MergedAnnotations annotations = MergedAnnotations.from(method);
		return annotations.isPresent("jakarta.annotation.PostConstruct")
				|| annotations.isPresent("jakarta.annotation.PreDestroy");
	}

	private static boolean isHidden(Method method) {
		return Modifier.isPrivate(method.getModifiers()) || Modifier.isStatic(method.getModifiers());
	}

	/**
	 * The rule for a method of a class.
	 * @param method the method, of the class or of an interface of it
	 * @param type the class, or a proxy's
	 * @return the rule, or {@code null} if neither annotation is there
	 * @throws TargetMistakeException if an annotation can never work
	 */
	@Nullable TargetRule find(Method method, Class<?> type) {
		MethodClassKey key = new MethodClassKey(method, type);
		Optional<TargetRule> known = this.rules.get(key);
		if (known == null) {
			known = Optional.ofNullable(read(method, type));
			this.rules.put(key, known);
		}
		return known.orElse(null);
	}

	private @Nullable TargetRule read(Method method, Class<?> type) {
		if (isHidden(method) || ReflectionUtils.isObjectMethod(method)) {
			return null;
		}
		Method specific = AopUtils.getMostSpecificMethod(method, type);
		TargetRule rule = read(specific, specific, type);
		if (rule == null && !specific.equals(method)) {
			rule = read(method, specific, type);
		}
		if (rule == null) {
			rule = read(ClassUtils.getUserClass(type), specific, type);
		}
		return (rule != null) ? rule : ofPackage(specific, type);
	}

	private @Nullable TargetRule ofPackage(Method method, Class<?> type) {
		PackageTargets.Speaker speaker = this.packages.find(ClassUtils.getUserClass(type));
		if (speaker == null) {
			return null;
		}
		String tenant = speaker.tenant();
		return (tenant == null) ? read(speaker.its(), method, type) : TargetRule.of(TargetRule.Kind.TENANT, tenant,
				false, isSuspending(method, type), speaker.its().toString(), method, method, this.placeholders);
	}

	private @Nullable TargetRule read(AnnotatedElement element, Method method, Class<?> type) {
		MergedAnnotation<?> nearest = nearest(element);
		if (nearest == null) {
			return null;
		}
		Object bearer = nearest.getSource();
		Method annotated = (bearer instanceof Method its && its.getParameterCount() == method.getParameterCount()) ? its
				: method;
		boolean tenant = nearest.getType() == Tenant.class;
		return TargetRule.of(tenant ? TargetRule.Kind.TENANT : TargetRule.Kind.SOURCE, nearest.getString("value"),
				tenant && nearest.getBoolean("create"), isSuspending(nearest, method, type), describe(nearest), method,
				annotated, this.placeholders);
	}

	/**
	 * A method that has its transaction to itself, or none, would suspend another's
	 * anyway, only after the switch and not for every manager.
	 */
	private boolean isSuspending(MergedAnnotation<?> annotation, Method method, Class<?> type) {
		return annotation.getEnum("transaction", OpenTransaction.class) == OpenTransaction.SUSPEND
				|| isSuspending(method, type);
	}

	private boolean isSuspending(Method method, Class<?> type) {
		TransactionAttribute transaction = this.transactions.getTransactionAttribute(method, type);
		return transaction != null
				&& (transaction.getPropagationBehavior() == TransactionDefinition.PROPAGATION_REQUIRES_NEW
						|| transaction.getPropagationBehavior() == TransactionDefinition.PROPAGATION_NOT_SUPPORTED);
	}

	/**
	 * The annotation that counts of those on an element and on what it overrides: of the
	 * first that bears one, the one that stands there itself before one that an
	 * annotation brings along.
	 */
	private static @Nullable MergedAnnotation<?> nearest(AnnotatedElement element) {
		MergedAnnotation<?> nearest = null;
		for (MergedAnnotation<?> each : MergedAnnotations.from(element, SearchStrategy.TYPE_HIERARCHY)) {
			if (!ANNOTATIONS.contains(each.getType())) {
				continue;
			}
			if (nearest == null || each.getAggregateIndex() < nearest.getAggregateIndex()) {
				nearest = each;
			}
			else if (each.getAggregateIndex() == nearest.getAggregateIndex()) {
				nearest = nearer(nearest, each);
			}
		}
		return nearest;
	}

	private static MergedAnnotation<?> nearer(MergedAnnotation<?> one, MergedAnnotation<?> other) {
		boolean rivals = one.getType() != other.getType()
				|| (one.getDistance() == other.getDistance() && !one.asMap().equals(other.asMap()));
		if (rivals) {
			throw new TargetMistakeException(describe(one) + " and " + describe(other) + " exclude each other.",
					"Choose one.");
		}
		return (other.getDistance() < one.getDistance()) ? other : one;
	}

	private static String describe(MergedAnnotation<?> annotation) {
		return "@" + annotation.getType().getSimpleName() + "(\"" + annotation.getString("value") + "\") on "
				+ annotation.getSource();
	}

}
