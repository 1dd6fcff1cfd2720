package io.multidb.autoconfigure;

import java.util.List;

import javax.sql.DataSource;

import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.jdbc.DataSourceBuilder;
import org.springframework.boot.jdbc.autoconfigure.ApplicationDataSourceScriptDatabaseInitializer;
import org.springframework.boot.jdbc.autoconfigure.DataSourceInitializationAutoConfiguration;
import org.springframework.boot.sql.autoconfigure.init.ApplicationScriptDatabaseInitializer;
import org.springframework.boot.sql.autoconfigure.init.ConditionalOnSqlInitialization;
import org.springframework.boot.sql.autoconfigure.init.SqlInitializationProperties;
import org.springframework.boot.sql.init.DatabaseInitializationMode;
import org.springframework.boot.sql.init.dependency.DatabaseInitializationDependencyConfigurer;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Import;
import org.springframework.jdbc.datasource.SimpleDriverDataSource;
import org.springframework.jdbc.datasource.init.DatabasePopulator;
import org.springframework.util.StringUtils;

import io.multidb.InvalidDatasourcesException;
import io.multidb.routing.SourceDataSource;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;

/**
 * Auto-configuration of {@code schema.sql} and {@code data.sql}, which go on with the
 * application's own {@code spring.datasource}: on the source {@code default} only. Spring
 * Boot would run them without a tenant.
 */
@AutoConfiguration(after = MultiDbAutoConfiguration.class, before = DataSourceInitializationAutoConfiguration.class)
@ConditionalOnClass({ DatabasePopulator.class, DataSourceInitializationAutoConfiguration.class })
@ConditionalOnBean(SourceRegistry.class)
@ConditionalOnSqlInitialization
@EnableConfigurationProperties(SqlInitializationProperties.class)
@Import(DatabaseInitializationDependencyConfigurer.class)
public final class MultiDbSqlInitAutoConfiguration {

	@Bean
	@ConditionalOnMissingBean(ApplicationScriptDatabaseInitializer.class)
	ApplicationDataSourceScriptDatabaseInitializer dataSourceScriptDatabaseInitializer(SourceRegistry registry,
			SqlInitializationProperties properties) {
		Source source = registry.find(DatasourcesReader.DEFAULT);
		if (source == null && properties.getMode() == DatabaseInitializationMode.ALWAYS) {
			throw new InvalidDatasourcesException(List
				.of("'spring.sql.init.mode' is 'always', but scripts run on the source 'default' only, and there is"
						+ " none: declare it, or set the mode to 'never' and use 'liquibase.change-log'."));
		}
		return new ApplicationDataSourceScriptDatabaseInitializer((source != null)
				? dataSource(source, registry, properties) : new SourceDataSource(registry, DatasourcesReader.DEFAULT),
				properties);
	}

	/** Scripts may have a user of their own. */
	private static DataSource dataSource(Source source, SourceRegistry registry,
			SqlInitializationProperties properties) {
		String username = properties.getUsername();
		String password = properties.getPassword();
		if (!StringUtils.hasText(username) || !StringUtils.hasText(password)) {
			return new SourceDataSource(registry, source.name());
		}
		return DataSourceBuilder.create()
			.type(SimpleDriverDataSource.class)
			.url(source.definition().url().text())
			.username(username)
			.password(password)
			.build();
	}

}
