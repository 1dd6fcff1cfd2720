package io.multidb.transaction;

import java.nio.file.Path;

import jakarta.annotation.PostConstruct;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.aop.framework.ProxyFactory;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.ImportAutoConfiguration;
import org.springframework.boot.autoconfigure.context.PropertyPlaceholderAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.Ordered;

import io.multidb.Tenant;
import io.multidb.UseSource;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for {@link TargetMistakeFailureAnalyzer}.
 */
@ExtendWith(OutputCaptureExtension.class)
class TargetMistakeFailureAnalyzerTests {

	@TempDir
	private Path directory;

	/** What an application with that bean prints when it is started. */
	private void startsNot(CapturedOutput output, Class<?> bean, String... said) {
		SpringApplication application = new SpringApplication(Routed.class, bean);
		application.setWebApplicationType(WebApplicationType.NONE);
		assertThatExceptionOfType(Exception.class).isThrownBy(
				() -> application.run("--app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("a.db"),
						"--spring.main.banner-mode=off"));
		assertThat(output).contains("APPLICATION FAILED TO START").contains(said).doesNotContain("\tat org.");
	}

	@Test
	void unknownArgument(CapturedOutput output) {
		startsNot(output, UnknownArgument.class,
				"""
						Description:

						The bean 'targetMistakeFailureAnalyzerTests.UnknownArgument' (%1$s) can be given no tenant or source as it is written:

						    @Tenant("'election-' + #uid") on public void %1$s.vote(long) uses '#uid', which is no argument of vote(long); its arguments are #a0, #id, #p0.

						Action:

						Correct the name. Names are known only when the class is compiled with -parameters; without, use #a0 for the first argument."""
					.formatted(UnknownArgument.class.getName()));
	}

	@Test
	void argumentThatOneMethodOfAnAnnotatedClassLacks(CapturedOutput output) {
		startsNot(output, OneLacksTheArgument.class,
				"@Tenant(\"#id\") on class " + OneLacksTheArgument.class.getName()
						+ " uses '#id', which is no argument of list(); it has none.",
				"Put the annotation on a method that has such an argument");
	}

	@Test
	void expressionThatDoesNotParse(CapturedOutput output) {
		startsNot(output, NoExpression.class, "on public void " + NoExpression.class.getName() + ".vote(long)",
				"is no SpEL expression", "'election-' + #id");
	}

	@Test
	void finalMethodOfASuperclassNamesTheBeansClassAsWell(CapturedOutput output) {
		startsNot(output, Inheriting.class,
				"The bean 'targetMistakeFailureAnalyzerTests.Inheriting' (" + Inheriting.class.getName() + ")",
				"public final void " + WithFinal.class.getName() + ".method()", "would be ignored",
				"Make it overridable, or enter the tenant in its body with TenantContext.");
	}

	@Test
	void lifecycleMethod(CapturedOutput output) {
		startsNot(output, Lifecycle.class, "void " + Lifecycle.class.getName() + ".load()",
				"Spring calls it on the bean itself", "Enter the tenant in its body with TenantContext.");
	}

	@Test
	void bothOnOneElement(CapturedOutput output) {
		startsNot(output, Both.class, "exclude each other", "Choose one.");
	}

	@Test
	void invalidConstantAndMissingValue(CapturedOutput output) {
		startsNot(output, Invalid.class, "@Tenant(\"../x\")", "names no valid tenant");
		startsNot(output, Empty.class, "@UseSource(\"\")", "needs a value", "Name the source");
	}

	@Test
	void placeholderThatNothingResolves(CapturedOutput output) {
		startsNot(output, Placeholder.class, "on class " + Placeholder.class.getName(), "no.such.property",
				"Set the property, or write a default");
	}

	@Test
	void repositoryIsNamedByItsInterface(CapturedOutput output) {
		startsNot(output, RepositoryConfiguration.class, "The bean 'votes' (" + Votes.class.getName() + ")", "'#uid'");
	}

	@Test
	void beanThatIsMadeBeforeThereAreProxies(CapturedOutput output) {
		startsNot(output, EarlyConfiguration.class, "The bean 'needed' (" + Needed.class.getName() + ")",
				"before there are proxies", "ObjectProvider");
	}

	@Test
	void finalClass(CapturedOutput output) {
		startsNot(output, FinalClass.class, FinalClass.class.getName(), "final class", "Remove 'final'");
	}

	@Configuration(proxyBeanMethods = false)
	@ImportAutoConfiguration({ MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class,
			PropertyPlaceholderAutoConfiguration.class })
	static class Routed {

	}

	static class UnknownArgument {

		@Tenant("'election-' + #uid")
		public void vote(long id) {
		}

	}

	@Tenant("#id")
	static class OneLacksTheArgument {

		public void list() {
		}

	}

	static class NoExpression {

		@Tenant("election-' + #id")
		public void vote(long id) {
		}

	}

	static class WithFinal {

		public final void method() {
		}

	}

	@Tenant("lisbon")
	static class Inheriting extends WithFinal {

	}

	static class Lifecycle {

		@PostConstruct
		@Tenant("lisbon")
		void load() {
		}

	}

	@Tenant("lisbon")
	@UseSource("porto")
	static class Both {

		public void method() {
		}

	}

	static class Invalid {

		@Tenant("../x")
		public void method() {
		}

	}

	static class Empty {

		@UseSource("")
		public void method() {
		}

	}

	@Tenant("${no.such.property}")
	static class Placeholder {

		public void method() {
		}

	}

	interface Votes {

		@Tenant("'election-' + #uid")
		void vote(long id);

	}

	@Configuration(proxyBeanMethods = false)
	static class RepositoryConfiguration {

		@Bean
		Votes votes() {
			ProxyFactory factory = new ProxyFactory(new Object());
			factory.setInterfaces(Votes.class);
			return (Votes) factory.getProxy();
		}

	}

	@Tenant("lisbon")
	static class Needed {

		public void method() {
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class EarlyConfiguration {

		@Bean
		static Needed needed() {
			return new Needed();
		}

		@Bean
		static Early early(Needed needed) {
			return new Early();
		}

	}

	static class Early implements BeanPostProcessor, Ordered {

		@Override
		public int getOrder() {
			return 0;
		}

	}

	static final class FinalClass {

		@Tenant("lisbon")
		public void method() {
		}

	}

}
