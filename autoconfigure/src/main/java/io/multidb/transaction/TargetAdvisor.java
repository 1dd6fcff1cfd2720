package io.multidb.transaction;

import java.lang.reflect.Method;
import java.util.function.Supplier;

import org.aopalliance.intercept.MethodInterceptor;
import org.aopalliance.intercept.MethodInvocation;
import org.jspecify.annotations.Nullable;

import org.springframework.aop.ClassFilter;
import org.springframework.aop.support.AbstractPointcutAdvisor;
import org.springframework.aop.Pointcut;
import org.springframework.aop.support.StaticMethodMatcherPointcut;
import org.springframework.core.Ordered;
import org.springframework.util.ClassUtils;
import org.springframework.util.StringValueResolver;

import io.multidb.Operation;
import io.multidb.Scope;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.discovery.TenantPackages;
import io.multidb.routing.Routes;
import io.multidb.routing.TargetAccess;

/**
 * Applies {@link io.multidb.Tenant @Tenant}, {@link io.multidb.UseSource @UseSource} and
 * what packages say: enters the target before the method and leaves it afterwards,
 * outside of every other advice, so that a transaction begins and ends inside.
 * Thread-safe.
 */
public final class TargetAdvisor extends AbstractPointcutAdvisor {

	private static final long serialVersionUID = 1L;

	/** A power of two. */
	private static final int SLOTS = 1024;

	private final transient TargetRules rules;

	/**
	 * What was found last, by the method's identity: a proxy calls with the same Method
	 * object each time. Threads race for a slot, and the loser looks it up again.
	 */
	private final transient @Nullable Found[] found = new Found[SLOTS];

	private final transient Supplier<Routes> routes;

	private final transient Supplier<SwitchCheck> switches;

	private final transient Supplier<@Nullable TargetAccess> accessSupplier;

	/** {@code null} where there are no rules. */
	private transient @Nullable TargetAccess access;

	/** Written after it. */
	private transient volatile boolean accessFound;

	private final transient Pointcut pointcut;

	private final transient MethodInterceptor advice;

	/**
	 * Creates the advisor.
	 * @param routes where databases are made for {@code create = true}; asked when that
	 * is first needed, as advisors are made before other beans
	 * @param switches what suspends transactions; asked when that is first needed
	 * @param packages which packages are named after tenants
	 * @param placeholders resolves <code>${…}</code> in constants
	 */
	public TargetAdvisor(Supplier<Routes> routes, Supplier<SwitchCheck> switches, TenantPackages packages,
			StringValueResolver placeholders) {
		this(routes, switches, packages, placeholders, () -> null);
	}

	/**
	 * Creates the advisor.
	 * @param routes where databases are made for {@code create = true}; asked when that
	 * is first needed, as advisors are made before other beans
	 * @param switches what suspends transactions; asked when that is first needed
	 * @param packages which packages are named after tenants
	 * @param placeholders resolves <code>${…}</code> in constants
	 * @param access the rules that are asked before work begins; asked for once, when
	 * that is first needed, and {@code null} if there are none
	 */
	public TargetAdvisor(Supplier<Routes> routes, Supplier<SwitchCheck> switches, TenantPackages packages,
			StringValueResolver placeholders, Supplier<@Nullable TargetAccess> access) {
		this.accessSupplier = access;
		this.rules = new TargetRules(packages, placeholders);
		this.routes = routes;
		this.switches = switches;
		this.pointcut = new Annotated();
		this.advice = this::invoke;
		setOrder(Ordered.HIGHEST_PRECEDENCE + 10);
	}

	@Override
	public Pointcut getPointcut() {
		return this.pointcut;
	}

	@Override
	public MethodInterceptor getAdvice() {
		return this.advice;
	}

	private @Nullable Object invoke(MethodInvocation invocation) throws Throwable {
		TargetRule rule = rule(invocation.getMethod(), invocation.getThis());
		if (rule == null) {
			return invocation.proceed();
		}
		Target to = rule.target(invocation.getArguments());
		TargetAccess rules = access();
		if (rules != null) {
			rules.check((to != null) ? to : Target.current(), rule.create() ? Operation.WRITE : Operation.READ);
		}
		if (to == null) {
			return invocation.proceed();
		}
		if (rule.create()) {
			this.routes.get().create(TenantContext.check(to.tenant()));
		}
		try (Suspension suspension = rule.suspend() ? this.switches.get().suspendFor(to) : null;
				Scope scope = to.enter()) {
			return invocation.proceed();
		}
	}

	/** Asked for once; two threads that do so at first find the same. */
	private @Nullable TargetAccess access() {
		if (!this.accessFound) {
			this.access = this.accessSupplier.get();
			this.accessFound = true;
		}
		return this.access;
	}

	/**
	 * The rule for a call.
	 * @param target of a repository, the inner proxy: its interfaces bear the annotations
	 */
	private @Nullable TargetRule rule(Method method, @Nullable Object target) {
		Class<?> type = (target != null) ? target.getClass() : method.getDeclaringClass();
		int slot = System.identityHashCode(method) & (SLOTS - 1);
		Found known = this.found[slot];
		if (known == null || !known.isOf(method, type)) {
			known = new Found(method, type, this.rules.find(method, ClassUtils.getUserClass(type)));
			this.found[slot] = known;
		}
		return known.rule;
	}

	private record Found(Method method, Class<?> type, @Nullable TargetRule rule) {

		@SuppressWarnings("ReferenceEquality") // comparing all of a method costs more
		boolean isOf(Method otherMethod, Class<?> otherType) {
			return this.method == otherMethod && this.type == otherType;
		}

	}

	/** Where the annotations stand. */
	private final class Annotated extends StaticMethodMatcherPointcut implements ClassFilter {

		Annotated() {
			setClassFilter(this);
		}

		@Override
		public boolean matches(Class<?> type) {
			return TargetAdvisor.this.rules.concern(type);
		}

		@Override
		public boolean matches(Method method, Class<?> type) {
			return TargetAdvisor.this.rules.find(method, ClassUtils.getUserClass(type)) != null;
		}

		/** Part of the key by which Spring shares proxy classes between contexts. */
		@Override
		public String toString() {
			return Annotated.class.getName();
		}

	}

}
