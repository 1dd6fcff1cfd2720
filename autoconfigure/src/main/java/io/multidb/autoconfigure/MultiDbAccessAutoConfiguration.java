package io.multidb.autoconfigure;

import java.util.List;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.actuate.audit.listener.AuditApplicationEvent;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.core.context.SecurityContextHolder;
import org.springframework.security.core.context.SecurityContextHolderStrategy;
import org.springframework.util.function.SingletonSupplier;

import io.multidb.access.Access;
import io.multidb.access.AccessAudit;
import io.multidb.access.AccessListener;
import io.multidb.access.CurrentUser;
import io.multidb.access.GrantedAccess;
import io.multidb.access.Grants;
import io.multidb.access.SecurityContextUser;
import io.multidb.access.SourceAccess;
import io.multidb.routing.Routes;
import io.multidb.routing.TargetAccess;

/**
 * Auto-configuration of who may use which source: in force where there is a
 * {@link SourceAccess} bean, or {@link Grants}.
 */
@AutoConfiguration(after = MultiDbAutoConfiguration.class)
@ConditionalOnBean(Routes.class)
public final class MultiDbAccessAutoConfiguration {

	@Bean
	@ConditionalOnBean(Grants.class)
	@ConditionalOnMissingBean
	GrantedAccess multiDbGrantedAccess(Grants grants) {
		return new GrantedAccess(grants);
	}

	/**
	 * Rules and users are asked for when the first decision is due: they may themselves
	 * need a DataSource, and that is made with these.
	 */
	@Bean(destroyMethod = "close")
	@ConditionalOnBean(SourceAccess.class)
	@ConditionalOnMissingBean
	Access multiDbAccess(ObjectProvider<SourceAccess> rules, ObjectProvider<CurrentUser> users,
			ObjectProvider<AccessListener> listener) {
		SingletonSupplier<List<SourceAccess>> all = SingletonSupplier.of(() -> rules.orderedStream().toList());
		SingletonSupplier<CurrentUser> user = SingletonSupplier.of(() -> users.getIfAvailable(() -> CurrentUser.NONE));
		return new Access(all::obtain, () -> user.obtain().name(), listener.getIfAvailable(() -> AccessListener.NONE));
	}

	@Bean
	@ConditionalOnBean(Access.class)
	@ConditionalOnMissingBean
	TargetAccess multiDbTargetAccess(Access access, Routes routes) {
		return new TargetAccess(access, routes);
	}

	@Configuration(proxyBeanMethods = false)
	@ConditionalOnClass(SecurityContextHolder.class)
	static class SpringSecurity {

		@Bean
		@ConditionalOnMissingBean(CurrentUser.class)
		SecurityContextUser multiDbCurrentUser(ObjectProvider<SecurityContextHolderStrategy> strategy) {
			SecurityContextHolderStrategy own = strategy.getIfAvailable();
			return new SecurityContextUser((own != null) ? () -> own : SecurityContextHolder::getContextHolderStrategy);
		}

	}

	@Configuration(proxyBeanMethods = false)
	@ConditionalOnClass(AuditApplicationEvent.class)
	@ConditionalOnBean(Datasources.class)
	static class Audit {

		@Bean
		@ConditionalOnMissingBean(AccessListener.class)
		AccessAudit multiDbAccessAudit(Datasources datasources, ApplicationEventPublisher publisher) {
			TenancyProperties.Access.Audit audit = datasources.tenancy().access().audit();
			return new AccessAudit((event) -> publisher.publishEvent(new AuditApplicationEvent(event)),
					audit.interval(), audit.uses());
		}

	}

}
