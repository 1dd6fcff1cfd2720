package io.multidb.autoconfigure;

import liquibase.change.DatabaseChange;
import liquibase.integration.spring.SpringLiquibase;

import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBooleanProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.liquibase.autoconfigure.LiquibaseAutoConfiguration;
import org.springframework.boot.sql.init.dependency.DatabaseInitializationDependencyConfigurer;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Import;
import org.springframework.core.io.ResourceLoader;

import io.multidb.migration.LiquibaseMigrator;
import io.multidb.migration.StartupMigration;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;

/**
 * Auto-configuration of Liquibase per source.
 */
@AutoConfiguration(after = MultiDbAutoConfiguration.class, before = LiquibaseAutoConfiguration.class)
@ConditionalOnClass({ SpringLiquibase.class, DatabaseChange.class, LiquibaseAutoConfiguration.class })
@ConditionalOnBean(SourceRegistry.class)
@ConditionalOnBooleanProperty(name = "spring.liquibase.enabled", matchIfMissing = true)
@Import(DatabaseInitializationDependencyConfigurer.class)
public final class MultiDbLiquibaseAutoConfiguration {

	@Bean
	@ConditionalOnMissingBean
	SourceMigrator sourceMigrator(ResourceLoader resourceLoader) {
		return new LiquibaseMigrator(resourceLoader);
	}

	@Bean
	@ConditionalOnMissingBean
	StartupMigration startupMigration(SourceRegistry registry, RoutingDataSource dataSource, Datasources datasources) {
		TenancyProperties.Liquibase liquibase = datasources.tenancy().liquibase();
		return new StartupMigration(registry, dataSource, liquibase.parallelism(), liquibase.startupTimeout(),
				liquibase.failFast());
	}

}
