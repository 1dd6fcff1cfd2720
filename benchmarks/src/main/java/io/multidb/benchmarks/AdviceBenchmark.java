package io.multidb.benchmarks;

import java.util.List;
import java.util.concurrent.TimeUnit;

import com.baomidou.dynamic.datasource.annotation.DS;
import com.baomidou.dynamic.datasource.aop.DynamicDataSourceAnnotationAdvisor;
import com.baomidou.dynamic.datasource.aop.DynamicDataSourceAnnotationInterceptor;
import com.baomidou.dynamic.datasource.processor.DsSpelExpressionProcessor;
import org.aopalliance.intercept.MethodInterceptor;
import org.aopalliance.intercept.MethodInvocation;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

import org.springframework.aop.Advisor;
import org.springframework.aop.framework.ProxyFactory;
import org.springframework.aop.support.DefaultPointcutAdvisor;

import io.multidb.Target;
import io.multidb.Tenant;
import io.multidb.discovery.TenantPackages;
import io.multidb.transaction.TargetAdvisor;

/**
 * A call of a proxied method that does nothing.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class AdviceBenchmark {

	/**
	 * Which advice: {@code plain} is an interceptor that does nothing; {@code none} is no
	 * proxy.
	 */
	@Param({ "plain", "multidb", "multidb-spel", "baomidou", "baomidou-spel" })
	public String advice = "";

	private Service service = new Service();

	private long id;

	public static class Service {

		public long plain(long id) {
			return id;
		}

		@Tenant("lisbon")
		public long tenant(long id) {
			return id;
		}

		@Tenant("'election-' + #id")
		public long tenantOf(long id) {
			return id;
		}

		@DS("lisbon")
		public long ds(long id) {
			return id;
		}

		@DS("#id")
		public long dsOf(Long id) {
			return id;
		}

	}

	@Setup
	public void proxy() {
		// As after the first connection of the tenant: a router knows it.
		Object unused = Target.ofTenant("lisbon").resolution(null, this, Target.forgotten());
		MethodInterceptor doesNothing = MethodInvocation::proceed;
		DsSpelExpressionProcessor expressions = new DsSpelExpressionProcessor();
		List<Advisor> advisors = this.advice.startsWith("baomidou")
				? List.of(new DynamicDataSourceAnnotationAdvisor(
						new DynamicDataSourceAnnotationInterceptor(true, expressions), DS.class))
				: this.advice.startsWith("multidb") ? List.of(new TargetAdvisor(() -> {
					throw new UnsupportedOperationException();
				}, () -> {
					throw new UnsupportedOperationException();
				}, TenantPackages.NONE, (text) -> text)) : List.of(new DefaultPointcutAdvisor(doesNothing));
		ProxyFactory factory = new ProxyFactory(new Service());
		factory.addAdvisors(advisors);
		this.service = (Service) factory.getProxy();
	}

	@Benchmark
	public long call() {
		long argument = this.id++ & 1023;
		return switch (this.advice) {
			case "multidb" -> this.service.tenant(argument);
			case "multidb-spel" -> this.service.tenantOf(argument);
			case "baomidou" -> this.service.ds(argument);
			case "baomidou-spel" -> this.service.dsOf(argument);
			default -> this.service.plain(argument);
		};
	}

}
