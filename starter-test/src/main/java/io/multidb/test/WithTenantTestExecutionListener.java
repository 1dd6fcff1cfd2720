package io.multidb.test;

import org.jspecify.annotations.Nullable;

import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.core.annotation.AnnotatedElementUtils;
import org.springframework.test.context.TestContext;
import org.springframework.test.context.TestContextAnnotationUtils;
import org.springframework.test.context.support.AbstractTestExecutionListener;

import io.multidb.Scope;
import io.multidb.TenantContext;

/**
 * Enters the tenant of {@link WithTenant @WithTenant} around a test.
 */
class WithTenantTestExecutionListener extends AbstractTestExecutionListener {

	/** Before the test's transaction, which has 4000, so that it begins in the tenant. */
	static final int ORDER = 3500;

	private static final String SCOPE = WithTenantTestExecutionListener.class.getName() + ".scope";

	private static final String NEW_TENANT = WithTenantTestExecutionListener.class.getName() + ".newTenant";

	@Override
	public int getOrder() {
		return ORDER;
	}

	@Override
	public void beforeTestMethod(TestContext test) throws Exception {
		WithTenant annotation = find(test);
		if (annotation == null) {
			return;
		}
		String tenant = annotation.value();
		if (tenant.indexOf('*') >= 0) {
			NewTenant made = NewTenants.of((ConfigurableApplicationContext) test.getApplicationContext()).make(tenant);
			test.setAttribute(NEW_TENANT, made);
			tenant = made.id();
		}
		test.setAttribute(SCOPE, TenantContext.enter(tenant));
	}

	@Override
	public void afterTestMethod(TestContext test) throws Exception {
		Object scope = test.removeAttribute(SCOPE);
		Object made = test.removeAttribute(NEW_TENANT);
		try {
			if (scope != null) {
				((Scope) scope).close();
			}
		}
		finally {
			if (made != null) {
				((NewTenant) made).delete();
			}
		}
	}

	private static @Nullable WithTenant find(TestContext test) {
		WithTenant own = AnnotatedElementUtils.findMergedAnnotation(test.getTestMethod(), WithTenant.class);
		return (own != null) ? own
				: TestContextAnnotationUtils.findMergedAnnotation(test.getTestClass(), WithTenant.class);
	}

}
