package io.multidb.task;

import java.io.File;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;

import org.junit.jupiter.api.Test;

import org.springframework.scheduling.concurrent.ThreadPoolTaskExecutor;

import io.multidb.TenantContext;
import io.multidb.source.SourceMigrator;
import io.multidb.source.SourceRegistry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * An application need not have Micrometer's context propagation.
 */
class WithoutContextPropagationTests {

	@Test
	void targetGoesAlongAndTasksRunForEach() throws Exception {
		try (URLClassLoader without = new URLClassLoader(classPath(), ClassLoader.getPlatformClassLoader())) {
			assertThatThrownBy(() -> without.loadClass("io.micrometer.context.ContextSnapshot"))
				.isInstanceOf(ClassNotFoundException.class);
			Callable<?> work = (Callable<?>) without.loadClass(Work.class.getName())
				.getDeclaredConstructor()
				.newInstance();
			assertThat(work.call()).isEqualTo(List.of("lisbon", "porto", "faro"));
		}
	}

	private static URL[] classPath() {
		String classPath = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
		return Stream.of(classPath.split(File.pathSeparator))
			.filter((entry) -> !entry.contains("context-propagation"))
			.map(WithoutContextPropagationTests::url)
			.toArray(URL[]::new);
	}

	private static URL url(String entry) {
		try {
			return Path.of(entry).toUri().toURL();
		}
		catch (MalformedURLException ex) {
			throw new IllegalArgumentException(ex);
		}
	}

	/** Runs where the class is not to be found. */
	public static final class Work implements Callable<List<String>> {

		@Override
		public List<String> call() throws Exception {
			ThreadPoolTaskExecutor executor = new ThreadPoolTaskExecutor();
			new TargetExecutorPostProcessor().postProcessAfterInitialization(executor, "executor");
			executor.initialize();
			try (SourceRegistry registry = new SourceRegistry(List.of(), List.of(), SourceMigrator.NONE, (event) -> {
			})) {
				String lisbon = TenantContext.call("lisbon", () -> executor.submit(TenantContext::current)).get();
				List<Outcome<String>> outcomes = new ForEach(registry).tenants(List.of("porto", "faro"))
					.atOnce(2)
					.call(TenantContext::current);
				return Stream
					.concat(Stream.of(lisbon),
							outcomes.stream().map((outcome) -> ((Outcome.Completed<String>) outcome).value()))
					.toList();
			}
			finally {
				executor.shutdown();
			}
		}

	}

}
