package io.multidb.autoconfigure;

import org.springframework.beans.factory.BeanCreationException;
import org.springframework.boot.diagnostics.AbstractFailureAnalyzer;
import org.springframework.boot.diagnostics.FailureAnalysis;

import io.multidb.NoTenantException;

/**
 * Says which bean wanted a connection at the start, where no tenant is, and how to give
 * it one.
 */
class NoTenantFailureAnalyzer extends AbstractFailureAnalyzer<NoTenantException> {

	@Override
	protected FailureAnalysis analyze(Throwable rootFailure, NoTenantException cause) {
		BeanCreationException bean = null;
		for (Throwable each = rootFailure; each != null; each = each.getCause()) {
			if (each instanceof BeanCreationException found && found.getBeanName() != null) {
				bean = found;
			}
		}
		return new FailureAnalysis(
				((bean != null) ? "The bean '" + bean.getBeanName() + "' needed" : "There was need of")
						+ " a connection while the application started, and no tenant was current.",
				"Give it a source of its own, such as @FlywayDataSource, @QuartzDataSource or @Qualifier do; or enter a"
						+ " tenant in it with TenantContext; or name a source for all work without a tenant:"
						+ " 'app.tenancy.no-tenant'.",
				cause);
	}

}
