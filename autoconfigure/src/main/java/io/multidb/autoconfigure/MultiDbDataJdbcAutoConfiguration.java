package io.multidb.autoconfigure;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import javax.sql.DataSource;

import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.autoconfigure.condition.NoneNestedConditions;
import org.springframework.boot.data.jdbc.autoconfigure.DataJdbcRepositoriesAutoConfiguration;
import org.springframework.boot.jdbc.DatabaseDriver;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Conditional;
import org.springframework.data.jdbc.core.dialect.DialectResolver;
import org.springframework.data.jdbc.core.dialect.JdbcDialect;
import org.springframework.jdbc.core.JdbcTemplate;

import io.multidb.InvalidDatasourcesException;
import io.multidb.jdbc.SourceDialect;
import io.multidb.routing.RoutingDataSource;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceTemplate;

/**
 * Auto-configuration of Spring Data JDBC on the routing DataSource: its dialect, for
 * which it would otherwise connect without a tenant.
 */
@AutoConfiguration(after = MultiDbAutoConfiguration.class, before = DataJdbcRepositoriesAutoConfiguration.class)
@ConditionalOnClass({ JdbcDialect.class, DataJdbcRepositoriesAutoConfiguration.class })
@ConditionalOnBean(RoutingDataSource.class)
@Conditional(MultiDbDataJdbcAutoConfiguration.OnNoDialect.class)
public final class MultiDbDataJdbcAutoConfiguration {

	@Bean
	@ConditionalOnMissingBean
	JdbcDialect jdbcDialect(Datasources datasources, DataSource dataSource) {
		if (RoutingDataSource.behind(dataSource) == null) {
			// A test slice has put one embedded database in the router's place.
			return DialectResolver.getDialect(new JdbcTemplate(dataSource));
		}
		Set<DatabaseDriver> products = Stream
			.concat(datasources.sources().stream(), datasources.templates().stream().map(SourceTemplate::definition))
			.filter((source) -> !source.internal())
			.map(SourceDefinition::url)
			.map((url) -> DatabaseDriver.fromJdbcUrl(url.text()))
			.collect(Collectors.toSet());
		JdbcDialect dialect = SourceDialect.of(products);
		if (dialect == null) {
			throw new InvalidDatasourcesException(
					List.of("Spring Data JDBC needs one dialect for all sources," + " and none is known for " + products
							+ " together. Set 'spring.data.jdbc.dialect', or define a" + " JdbcDialect bean."));
		}
		return dialect;
	}

	/** The application has not chosen one. */
	static class OnNoDialect extends NoneNestedConditions {

		OnNoDialect() {
			super(ConfigurationPhase.PARSE_CONFIGURATION);
		}

		@ConditionalOnProperty("spring.data.jdbc.dialect")
		static class Chosen {

		}

	}

}
