package io.multidb.autoconfigure;

import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

import javax.sql.DataSource;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.support.MergedBeanDefinitionPostProcessor;
import org.springframework.beans.factory.support.RootBeanDefinition;
import org.springframework.core.Ordered;

import io.multidb.InvalidDatasourcesException;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.TargetAccess;

/**
 * The bean of the router, which is not one of its type where a library wraps every
 * DataSource bean: finds it, and refuses a wrapper that hides the router. It judges what
 * all other post-processors have made of the bean, as those of its kind come last.
 */
final class RouterBean implements MergedBeanDefinitionPostProcessor, Ordered {

	private final ObjectProvider<TargetAccess> access;

	private final Set<String> names = ConcurrentHashMap.newKeySet();

	RouterBean(ObjectProvider<TargetAccess> access) {
		this.access = access;
	}

	/**
	 * The DataSource by which an application reaches the router, wrapped or not: the one
	 * that its transactions are bound to.
	 */
	static DataSource of(ObjectProvider<DataSource> dataSources) {
		DataSource primary = dataSources.getIfUnique();
		if (primary != null && RoutingDataSource.behind(primary) != null) {
			return primary;
		}
		return dataSources.orderedStream()
			.filter((dataSource) -> RoutingDataSource.behind(dataSource) != null)
			.findFirst()
			// A test has put an embedded database in its place.
			.orElseGet(dataSources::getObject);
	}

	@Override
	public void postProcessMergedBeanDefinition(RootBeanDefinition definition, Class<?> type, String name) {
		if (RoutingDataSource.class.isAssignableFrom(type)) {
			this.names.add(name);
		}
	}

	@Override
	public Object postProcessAfterInitialization(Object bean, String name) {
		if (this.names.contains(name) && bean instanceof DataSource dataSource) {
			check(dataSource, name);
		}
		return bean;
	}

	private void check(DataSource dataSource, String name) {
		RoutingDataSource router = RoutingDataSource.behind(dataSource);
		if (router == null) {
			throw new InvalidDatasourcesException(List.of("The bean '" + name + "' hides the router: a"
					+ " BeanPostProcessor has wrapped it in a " + dataSource.getClass().getName()
					+ ", whose isWrapperFor(RoutingDataSource.class) is false, so that nothing would keep the sources'"
					+ " sessions and caches apart. Let its isWrapperFor and unwrap ask the DataSource it wraps, as"
					+ " Spring's DelegatingDataSource does, or leave this bean out."));
		}
		if (router.access() == null && this.access.getIfAvailable() != null) {
			throw new InvalidDatasourcesException(List.of("There are rules about who may use which source"
					+ " (SourceAccess), and the RoutingDataSource bean '" + name + "' of your own asks nobody: make it"
					+ " with the TargetAccess bean, new RoutingDataSource(routes, access)."));
		}
	}

	@Override
	public int getOrder() {
		return Ordered.LOWEST_PRECEDENCE;
	}

}
