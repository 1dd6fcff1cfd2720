package io.multidb.transaction;

import org.springframework.beans.factory.BeanCreationException;
import org.springframework.boot.diagnostics.AbstractFailureAnalyzer;
import org.springframework.boot.diagnostics.FailureAnalysis;

/**
 * Says which bean's annotation, or package, stopped the start, and what to do.
 */
class TargetMistakeFailureAnalyzer extends AbstractFailureAnalyzer<TargetMistakeException> {

	@Override
	protected FailureAnalysis analyze(Throwable rootFailure, TargetMistakeException cause) {
		String bean = null;
		for (Throwable each = rootFailure; each != null && each != cause; each = each.getCause()) {
			if (each instanceof BeanCreationException found && found.getBeanName() != null) {
				bean = found.getBeanName();
			}
		}
		return new FailureAnalysis(
				((bean != null) ? "The bean '" + bean + "'" : "A bean")
						+ ((cause.bearer() != null) ? " (" + cause.bearer() + ")" : "")
						+ " can be given no tenant or source as it is written:\n\n    " + cause.mistake(),
				cause.remedy(), cause);
	}

}
