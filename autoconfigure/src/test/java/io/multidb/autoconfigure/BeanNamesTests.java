package io.multidb.autoconfigure;

import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.beans.factory.support.BeanDefinitionRegistry;
import org.springframework.beans.factory.support.RootBeanDefinition;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.context.annotation.ImportCandidates;
import org.springframework.boot.test.context.runner.WebApplicationContextRunner;
import org.springframework.boot.webmvc.autoconfigure.DispatcherServletAutoConfiguration;
import org.springframework.boot.webmvc.autoconfigure.WebMvcAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.core.annotation.AnnotatedElementUtils;
import org.springframework.util.StringUtils;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Applications have beans of their own called {@code routes}, {@code catalog},
 * {@code currentUser} or {@code tenantFilter}, and two beans of one name stop the start.
 */
class BeanNamesTests {

	private static final String PREFIX = "multiDb";

	/** They take the place of Spring Boot's, are part of a path, or bear our name. */
	private static final Set<String> OTHERS = Set.of("jdbcDialect", "dataSourceScriptDatabaseInitializer",
			"dbHealthContributor", "datasourcesHealthContributor", "datasourcesEndpoint",
			"datasourcesEndpointWebExtension", "datasourcesEndpointJmxExtension", "datasourcesEndpointPathVariables",
			"datasourcesPage", "datasourcesPageApartFromEndpoints", "datasourcesPageComplete",
			"datasourcesPageProtected", "datasourcesPageProtection", "datasourcesPageMapping");

	@TempDir
	private Path directory;

	@Test
	void areOursAlone() {
		assertThat(names()).hasSizeGreaterThan(40)
			.allSatisfy((name) -> assertThat(OTHERS.contains(name) || name.startsWith(PREFIX)).as(name).isTrue());
	}

	@Test
	void leaveThePlainNamesToTheApplication() {
		new WebApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(configurations().toArray(Class<?>[]::new)))
			.withConfiguration(
					AutoConfigurations.of(DispatcherServletAutoConfiguration.class, WebMvcAutoConfiguration.class))
			.withPropertyValues("app.datasources.main.url=jdbc:sqlite:" + this.directory.resolve("main.db"),
					"app.tenancy.catalog.source=main", "app.tenancy.liquibase.change-log=")
			.withInitializer((context) -> names().stream()
				.filter((name) -> name.startsWith(PREFIX))
				.map((name) -> StringUtils.uncapitalize(name.substring(PREFIX.length())))
				.forEach((name) -> ((BeanDefinitionRegistry) context.getBeanFactory()).registerBeanDefinition(name,
						new RootBeanDefinition(String.class, () -> "the application's"))))
			.run((context) -> assertThat(context).hasNotFailed().getBean("routes").isEqualTo("the application's"));
	}

	private static List<? extends Class<?>> configurations() {
		return Stream
			.of(ImportCandidates.load(AutoConfiguration.class, BeanNamesTests.class.getClassLoader())
				.getCandidates()
				.toArray(String[]::new))
			.filter((name) -> name.startsWith("io.multidb."))
			.map(BeanNamesTests::load)
			.toList();
	}

	private static List<String> names() {
		Deque<Class<?>> classes = new ArrayDeque<>(configurations());
		Stream.Builder<String> names = Stream.builder();
		while (!classes.isEmpty()) {
			Class<?> each = classes.remove();
			classes.addAll(List.of(each.getDeclaredClasses()));
			for (Method method : each.getDeclaredMethods()) {
				Bean bean = AnnotatedElementUtils.findMergedAnnotation(method, Bean.class);
				if (bean != null) {
					names.add((bean.name().length > 0) ? bean.name()[0] : method.getName());
				}
			}
		}
		return names.build().distinct().toList();
	}

	private static Class<?> load(String name) {
		try {
			return Class.forName(name);
		}
		catch (ClassNotFoundException ex) {
			throw new IllegalStateException(ex);
		}
	}

}
