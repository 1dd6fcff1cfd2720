package io.multidb.autoconfigure;

import org.springframework.beans.factory.config.BeanDefinition;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Role;

import io.multidb.source.SourceRegistry;
import io.multidb.task.ForEach;
import io.multidb.task.TargetExecutorPostProcessor;

/**
 * Auto-configuration of what takes the target to other threads.
 */
@AutoConfiguration(after = MultiDbAutoConfiguration.class)
@ConditionalOnBean(SourceRegistry.class)
public final class MultiDbTaskAutoConfiguration {

	@Bean
	@Role(BeanDefinition.ROLE_INFRASTRUCTURE)
	@ConditionalOnMissingBean
	static TargetExecutorPostProcessor multiDbTargetExecutorPostProcessor() {
		return new TargetExecutorPostProcessor();
	}

	@Bean
	@ConditionalOnMissingBean
	ForEach multiDbForEach(SourceRegistry registry) {
		return new ForEach(registry);
	}

}
