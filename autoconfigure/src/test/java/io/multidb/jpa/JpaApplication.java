package io.multidb.jpa;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import org.hibernate.SessionFactory;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.TenantContext;

/**
 * An ordinary Spring Boot application with JPA and the sources lisbon and porto, for
 * tests.
 */
final class JpaApplication implements AutoCloseable {

	static final String[] SOURCES = { "lisbon", "porto" };

	private final ConfigurableApplicationContext context;

	private JpaApplication(ConfigurableApplicationContext context) {
		this.context = context;
	}

	/** Starts with SQLite files and an empty schema in each. */
	static JpaApplication start(Path directory, Class<?> configuration, String... properties) {
		List<String> all = new ArrayList<>(List.of(properties));
		for (String source : SOURCES) {
			all.add("app.datasources." + source + ".url=jdbc:sqlite:" + directory.resolve(source + ".db"));
		}
		JpaApplication application = start(configuration, all.toArray(String[]::new));
		application.createSchemas();
		return application;
	}

	/**
	 * Starts with nothing but what is given. With the system property
	 * {@code multidb.test.without-spi}, Hibernate knows of no tenants, to see tests fail.
	 */
	static JpaApplication start(Class<?> configuration, String... properties) {
		SpringApplication application = new SpringApplicationBuilder(Application.class, configuration)
			.web(WebApplicationType.NONE)
			.properties("spring.main.banner-mode=off", "spring.liquibase.enabled=false",
					"spring.jpa.properties.hibernate.javax.cache.missing_cache_strategy=create")
			.build();
		List<String> arguments = new ArrayList<>();
		if (Boolean.getBoolean("multidb.test.without-spi")) {
			arguments.add("--spring.autoconfigure.exclude=io.multidb.autoconfigure.MultiDbJpaAutoConfiguration");
			arguments.add("--spring.jpa.database-platform=org.hibernate.community.dialect.SQLiteDialect");
			arguments.add("--spring.jpa.properties.hibernate.boot.allow_jdbc_metadata_access=false");
		}
		for (String property : properties) {
			arguments.add("--" + property);
		}
		return new JpaApplication(application.run(arguments.toArray(String[]::new)));
	}

	void createSchemas() {
		for (String source : SOURCES) {
			TenantContext.run(source, () -> sessions().getSchemaManager().exportMappedObjects(false));
		}
	}

	<T> T bean(Class<T> type) {
		return this.context.getBean(type);
	}

	ConfigurableApplicationContext context() {
		return this.context;
	}

	SessionFactory sessions() {
		return bean(EntityManagerFactory.class).unwrap(SessionFactory.class);
	}

	/** Works in a transaction and session of its own. */
	<T> T in(String tenant, Function<EntityManager, T> work) {
		return TenantContext.call(tenant,
				() -> new TransactionTemplate(bean(PlatformTransactionManager.class)).execute((status) -> work
					.apply(SharedEntityManagerCreator.createSharedEntityManager(bean(EntityManagerFactory.class)))));
	}

	/** What is in a source, without Hibernate. */
	List<String> column(String tenant, String sql) {
		return TenantContext.call(tenant, () -> bean(JdbcClient.class).sql(sql).query(String.class).list());
	}

	int update(String tenant, String sql) {
		return TenantContext.call(tenant, () -> bean(JdbcClient.class).sql(sql).update());
	}

	@Override
	public void close() {
		this.context.close();
	}

	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration
	static class Application {

	}

}
