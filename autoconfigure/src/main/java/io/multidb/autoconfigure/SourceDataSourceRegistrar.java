package io.multidb.autoconfigure;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

import javax.sql.DataSource;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.aop.framework.autoproxy.AutoProxyUtils;
import org.springframework.aot.AotDetector;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.beans.factory.support.AutowireCandidateQualifier;
import org.springframework.beans.factory.support.BeanDefinitionRegistry;
import org.springframework.beans.factory.support.BeanDefinitionRegistryPostProcessor;
import org.springframework.beans.factory.support.RootBeanDefinition;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.bind.PropertySourcesPlaceholdersResolver;
import org.springframework.boot.jdbc.autoconfigure.JdbcConnectionDetails;
import org.springframework.core.env.Environment;
import org.springframework.core.io.ResourceLoader;

import io.multidb.InvalidDatasourcesException;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.SourceDataSource;

/**
 * Makes a bean of each declared source, by its name: a DataSource that nobody gets who
 * does not ask for it by {@code @Qualifier}. A name that another bean has is left to that
 * bean; the DataSource is then named {@code <name>DataSource}, with the same qualifier.
 */
class SourceDataSourceRegistrar implements BeanDefinitionRegistryPostProcessor {

	private static final Logger logger = LoggerFactory.getLogger(SourceDataSourceRegistrar.class);

	private final Environment environment;

	private final ResourceLoader resourceLoader;

	SourceDataSourceRegistrar(Environment environment, ResourceLoader resourceLoader) {
		this.environment = environment;
		this.resourceLoader = resourceLoader;
	}

	@Override
	public void postProcessBeanDefinitionRegistry(BeanDefinitionRegistry registry) {
		if (AotDetector.useGeneratedArtifacts()) {
			// They were generated from the definitions that are made here.
			return;
		}
		List<String> toldByTheReader = new ArrayList<>();
		KnownNames known = KnownNames.of(this.environment, this.resourceLoader, toldByTheReader);
		OwnDefinitions own = new OwnDefinitions(this.environment, toldByTheReader).withFiles(known.packages(),
				this.resourceLoader);
		Binder binder = new Binder(own.sources(), new PropertySourcesPlaceholdersResolver(this.environment));
		Set<String> names = new LinkedHashSet<>(BoundProperties.declaredNames(own.sources()));
		DiscoveredUrls discovered = new DiscoveredUrls(this.environment, known.all(), names);
		Stream.concat(known.all().stream(), Stream.of(DatasourcesReader.DEFAULT))
			.filter((name) -> discovered.find(name) != null)
			.forEach(names::add);
		for (String source : names) {
			String found = discovered.find(source);
			String url = (found != null) ? found
					: binder.bind("app.datasources[" + source + "].url", String.class).orElse("");
			boolean ofDefault = url.isEmpty() && known.all().contains(source);
			if (!ofDefault && !DatasourcesReader.isTemplate(url)) {
				register(source, registry);
			}
		}
		if (hasDefault(registry) && !registry.containsBeanDefinition(DatasourcesReader.DEFAULT)) {
			register(DatasourcesReader.DEFAULT, registry);
		}
		if (registry instanceof ConfigurableListableBeanFactory beans) {
			refuseOtherPrimary(beans);
		}
	}

	/** With two, nobody could tell which of them JdbcTemplate or JPA use. */
	private static void refuseOtherPrimary(ConfigurableListableBeanFactory beans) {
		List<String> primary = Arrays.stream(beans.getBeanNamesForType(DataSource.class, true, false))
			.filter((name) -> beans.containsBeanDefinition(name) && beans.getBeanDefinition(name).isPrimary())
			.toList();
		List<String> others = primary.stream()
			.filter((name) -> !beans.isTypeMatch(name, RoutingDataSource.class))
			.toList();
		if (others.size() == primary.size()) {
			// A test has put its own in the router's place.
			return;
		}
		if (!others.isEmpty()) {
			throw new InvalidDatasourcesException(others.stream()
				.map((name) -> "The bean '" + name + "' is a @Primary DataSource, and so is the router, through which"
						+ " every tenant's work goes: remove @Primary and inject yours by @Qualifier(\"" + name
						+ "\"), or declare it under 'app.datasources'.")
				.toList());
		}
	}

	private boolean hasDefault(BeanDefinitionRegistry registry) {
		return DefaultConnection.isConfigured(this.environment)
				|| (registry instanceof ConfigurableListableBeanFactory beans
						&& beans.getBeanNamesForType(JdbcConnectionDetails.class, true, false).length > 0);
	}

	private static void register(String source, BeanDefinitionRegistry registry) {
		RootBeanDefinition definition = new RootBeanDefinition(SourceDataSource.class);
		definition.getConstructorArgumentValues().addIndexedArgumentValue(1, source);
		definition.addQualifier(new AutowireCandidateQualifier(Qualifier.class, source));
		definition.setDefaultCandidate(false);
		definition.setLazyInit(true);
		// The class is final.
		definition.setAttribute(AutoProxyUtils.EXPOSED_INTERFACES_ATTRIBUTE,
				AutoProxyUtils.ALL_INTERFACES_ATTRIBUTE_VALUE);
		definition.setResourceDescription("source '" + source + "'");
		String name = source;
		if (registry.isBeanNameInUse(source)) {
			name = source + "DataSource";
			if (registry.isBeanNameInUse(name)) {
				logger.info("No bean for source '{}': both '{}' and '{}' are other beans", source, source, name);
				return;
			}
			logger.debug("'{}' is another bean, so the DataSource of source '{}' is the bean '{}'", source, source,
					name);
		}
		registry.registerBeanDefinition(name, definition);
	}

}
