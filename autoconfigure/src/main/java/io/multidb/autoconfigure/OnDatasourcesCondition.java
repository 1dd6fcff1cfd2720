package io.multidb.autoconfigure;

import org.springframework.boot.autoconfigure.condition.ConditionMessage;
import org.springframework.boot.autoconfigure.condition.ConditionOutcome;
import org.springframework.boot.autoconfigure.condition.SpringBootCondition;
import org.springframework.context.annotation.ConditionContext;
import org.springframework.core.env.Environment;
import org.springframework.core.type.AnnotatedTypeMetadata;

/**
 * Matches when sources are declared and {@code app.tenancy.enabled} is not false: until
 * then the starter changes nothing.
 */
class OnDatasourcesCondition extends SpringBootCondition {

	static boolean matches(Environment environment) {
		return isEnabled(environment) && hasNames(environment);
	}

	private static boolean isEnabled(Environment environment) {
		return environment.getProperty("app.tenancy.enabled", Boolean.class, true);
	}

	private static boolean hasNames(Environment environment) {
		return !BoundProperties.declaredNames(environment).isEmpty()
				|| !new DiscoveredUrls(environment).names().isEmpty();
	}

	@Override
	public ConditionOutcome getMatchOutcome(ConditionContext context, AnnotatedTypeMetadata metadata) {
		ConditionMessage.Builder message = ConditionMessage.forCondition("Datasources");
		if (!isEnabled(context.getEnvironment())) {
			return ConditionOutcome.noMatch(message.because("app.tenancy.enabled is false"));
		}
		if (!hasNames(context.getEnvironment())) {
			return ConditionOutcome
				.noMatch(message.didNotFind("a source").items("app.datasources.*", "app.tenancy.discovery.names"));
		}
		return ConditionOutcome.match(message.foundExactly("sources"));
	}

}
