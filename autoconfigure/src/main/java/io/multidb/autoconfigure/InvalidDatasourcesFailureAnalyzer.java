package io.multidb.autoconfigure;

import org.springframework.boot.diagnostics.AbstractFailureAnalyzer;
import org.springframework.boot.diagnostics.FailureAnalysis;

import io.multidb.InvalidDatasourcesException;

/**
 * Prints all mistakes of a configuration at once.
 */
class InvalidDatasourcesFailureAnalyzer extends AbstractFailureAnalyzer<InvalidDatasourcesException> {

	@Override
	protected FailureAnalysis analyze(Throwable rootFailure, InvalidDatasourcesException cause) {
		int count = cause.mistakes().size();
		StringBuilder description = new StringBuilder("The configuration of datasources and tenancy has "
				+ ((count == 1) ? "a mistake" : count + " mistakes") + ":\n");
		cause.mistakes().forEach((mistake) -> description.append("\n  - ").append(mistake));
		return new FailureAnalysis(description.toString(), "Do what " + ((count == 1) ? "it says" : "they say")
				+ ". The properties are under 'app.datasources' and 'app.tenancy'.", cause);
	}

}
