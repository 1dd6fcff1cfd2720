package io.multidb.transaction;

import java.util.function.Supplier;

import org.aopalliance.aop.Advice;

import org.springframework.aop.Advisor;
import org.springframework.aop.framework.AopInfrastructureBean;
import org.springframework.aop.framework.autoproxy.AbstractAutoProxyCreator;
import org.springframework.aop.support.AopUtils;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.beans.factory.support.AbstractBeanFactory;
import org.springframework.util.ClassUtils;

/**
 * Refuses beans whose {@link io.multidb.Tenant @Tenant} or
 * {@link io.multidb.UseSource @UseSource} would be ignored, as a post-processor needs
 * them before there are proxies: they would work for whoever calls them.
 */
public final class EarlyBeans implements BeanPostProcessor {

	private final AbstractBeanFactory beans;

	private final Supplier<TargetAdvisor> advisor;

	/** Until there are proxies, which is while one thread starts the application. */
	private volatile boolean early = true;

	/**
	 * Creates the post-processor, to be added before others are made.
	 * @param beans the factory it is added to
	 * @param advisor what would be ignored, asked for when a bean is made
	 */
	public EarlyBeans(AbstractBeanFactory beans, Supplier<TargetAdvisor> advisor) {
		this.beans = beans;
		this.advisor = advisor;
	}

	@Override
	public Object postProcessAfterInitialization(Object bean, String beanName) {
		if (this.early && !isLeftAlone(bean) && isEarly()) {
			Class<?> type = ClassUtils.getUserClass(bean);
			if (AopUtils.canApply(this.advisor.get(), type)) {
				throw new TargetMistakeException("@Tenant or @UseSource on " + type.getName()
						+ ", its methods or package would be ignored: bean '" + beanName
						+ "' is made before there are proxies, as a BeanPostProcessor, or what one needs, needs it.",
						"Let that ask for it later, by an ObjectProvider or a @Lazy parameter, or enter the tenant in its"
								+ " methods' bodies with TenantContext.")
					.of(type);
			}
		}
		return bean;
	}

	private boolean isEarly() {
		this.early = this.beans.getBeanPostProcessors().stream().noneMatch(AbstractAutoProxyCreator.class::isInstance);
		return this.early;
	}

	/** What Spring makes no proxies of, and most that it makes early. */
	private static boolean isLeftAlone(Object bean) {
		return bean instanceof Advisor || bean instanceof Advice || bean instanceof AopInfrastructureBean
				|| TargetRules.isSprings(bean.getClass());
	}

}
