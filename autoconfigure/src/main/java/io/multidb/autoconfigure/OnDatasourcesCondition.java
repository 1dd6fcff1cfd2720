package io.multidb.autoconfigure;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.beans.factory.ListableBeanFactory;
import org.springframework.boot.autoconfigure.condition.ConditionMessage;
import org.springframework.boot.autoconfigure.condition.ConditionOutcome;
import org.springframework.boot.autoconfigure.condition.SpringBootCondition;
import org.springframework.context.annotation.ConditionContext;
import org.springframework.context.annotation.ConfigurationCondition;
import org.springframework.core.env.Environment;
import org.springframework.core.type.AnnotatedTypeMetadata;

import io.multidb.source.SourceDefinition;

/**
 * Matches when sources are declared, or known, and {@code app.tenancy.enabled} is not
 * false: until then the starter changes nothing. Asked once the application's own beans
 * are registered, of which one may declare a source. There is no bean of ours that could
 * say that one was misspelled, so this does.
 */
class OnDatasourcesCondition extends SpringBootCondition implements ConfigurationCondition {

	private static final Logger logger = LoggerFactory.getLogger(MultiDbAutoConfiguration.class);

	static boolean matches(Environment environment) {
		return isEnabled(environment) && hasNames(environment);
	}

	private static boolean isEnabled(Environment environment) {
		return environment.getProperty("app.tenancy.enabled", Boolean.class, true);
	}

	private static boolean hasNames(Environment environment) {
		return !BoundProperties.declaredNames(environment).isEmpty() || KnownNames.exist(environment);
	}

	private static boolean hasBeans(ConditionContext context) {
		ListableBeanFactory beans = context.getBeanFactory();
		return beans != null && beans.getBeanNamesForType(SourceDefinition.class, true, false).length > 0;
	}

	@Override
	public ConfigurationPhase getConfigurationPhase() {
		return ConfigurationPhase.REGISTER_BEAN;
	}

	@Override
	public ConditionOutcome getMatchOutcome(ConditionContext context, AnnotatedTypeMetadata metadata) {
		ConditionMessage.Builder message = ConditionMessage.forCondition("Datasources");
		if (!isEnabled(context.getEnvironment())) {
			return ConditionOutcome.noMatch(message.because("app.tenancy.enabled is false"));
		}
		if (!hasNames(context.getEnvironment()) && !hasBeans(context)) {
			String misspelled = MisspelledDatasources.warning(context.getEnvironment());
			if (misspelled != null) {
				logger.warn(misspelled);
			}
			return ConditionOutcome.noMatch(message.didNotFind("a source")
				.items("app.datasources.*", "app.tenancy.discovery.names", "app.tenancy.packages",
						"SourceDefinition beans"));
		}
		return ConditionOutcome.match(message.foundExactly("sources"));
	}

}
