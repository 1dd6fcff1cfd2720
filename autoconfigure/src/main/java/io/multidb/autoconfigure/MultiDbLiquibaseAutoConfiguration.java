package io.multidb.autoconfigure;

import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import javax.sql.DataSource;

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
import io.multidb.source.LiquibaseSettings;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceTemplate;

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
	SourceMigrator multiDbSourceMigrator(ResourceLoader resourceLoader) {
		return new LiquibaseMigrator(resourceLoader);
	}

	@Bean
	@ConditionalOnMissingBean(StartupMigration.class)
	SpringLiquibase multiDbStartupMigration(SourceRegistry registry, DataSource dataSource, Datasources datasources) {
		if (RoutingDataSource.behind(dataSource) == null) {
			return migrationOfTestDatabase(dataSource, datasources);
		}
		TenancyProperties.Liquibase liquibase = datasources.tenancy().liquibase();
		return new StartupMigration(registry, dataSource, liquibase.parallelism(), liquibase.startupTimeout(),
				liquibase.failFast());
	}

	/**
	 * A test slice has put one embedded database in the place of all sources: it gets the
	 * tables of {@code default}, or else those that all sources have.
	 */
	private static SpringLiquibase migrationOfTestDatabase(DataSource dataSource, Datasources datasources) {
		Set<LiquibaseSettings> settings = Stream
			.concat(datasources.sources().stream(), datasources.templates().stream().map(SourceTemplate::definition))
			.filter((source) -> source.liquibase().changeLog() != null)
			.filter((source) -> !datasources.hasDefault() || source.name().equals(DatasourcesReader.DEFAULT))
			.map(SourceDefinition::liquibase)
			.collect(Collectors.toSet());
		SpringLiquibase migration = new SpringLiquibase();
		migration.setDataSource(dataSource);
		migration.setShouldRun(settings.size() == 1);
		settings.forEach((found) -> {
			migration.setChangeLog(found.changeLog());
			migration.setContexts(String.join(",", found.contexts()));
			migration.setLabelFilter(String.join(",", found.labelFilter()));
			migration.setChangeLogParameters(found.parameters());
		});
		return migration;
	}

}
