package io.multidb.autoconfigure;

import java.io.Console;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.SpringApplicationRunListener;
import org.springframework.boot.bootstrap.ConfigurableBootstrapContext;
import org.springframework.context.aot.AbstractAotProcessor;
import org.springframework.core.Ordered;
import org.springframework.core.env.ConfigurableEnvironment;
import org.springframework.core.io.DefaultResourceLoader;
import org.springframework.core.io.ResourceLoader;
import org.springframework.util.ClassUtils;
import org.springframework.util.ReflectionUtils;
import org.springframework.util.StringUtils;

import io.multidb.cli.CommandEndedException;
import io.multidb.cli.Configured;
import io.multidb.cli.DatasourcesCommandLine;
import io.multidb.migration.LiquibaseMigrator;
import io.multidb.source.SourceMigrator;

/**
 * Runs a command in the place of the application whose first argument is
 * {@code datasources}: as soon as its environment is there, and before it has a context.
 */
class CommandLineRunListener implements SpringApplicationRunListener, Ordered {

	private static final String ENABLED = "app.tenancy.cli.enabled";

	/** Devtools starts the application anew, on a thread of the other name. */
	private static final Set<String> MAIN_THREADS = Set.of("main", "restartedMain");

	/** Whose classes call a main method, or a test, on such a thread too. */
	private static final List<String> TEST_FRAMEWORKS = List.of("org.junit.", "org.testng.", "io.cucumber.",
			"org.springframework.test.", "org.springframework.boot.test.");

	private final SpringApplication application;

	private final List<String> arguments;

	CommandLineRunListener(SpringApplication application, String[] arguments) {
		this.application = application;
		this.arguments = List.of(arguments);
	}

	/** After its files have been read, and the log is there. */
	@Override
	public int getOrder() {
		return Ordered.LOWEST_PRECEDENCE;
	}

	@Override
	public void environmentPrepared(ConfigurableBootstrapContext bootstrapContext,
			ConfigurableEnvironment environment) {
		if (isAsked(environment)) {
			int exitCode = run(environment);
			if (isProcess()) {
				System.exit(exitCode);
			}
			throw new CommandEndedException(exitCode);
		}
	}

	private boolean isAsked(ConfigurableEnvironment environment) {
		return !this.arguments.isEmpty() && this.arguments.get(0).equals(DatasourcesCommandLine.NAME)
				&& !Boolean.getBoolean(AbstractAotProcessor.AOT_PROCESSING)
				&& environment.getProperty("app.tenancy.enabled", Boolean.class, true)
				&& environment.getProperty(ENABLED, Boolean.class, true);
	}

	private int run(ConfigurableEnvironment environment) {
		PrintStream out = System.out;
		if (!ClassUtils.isPresent("picocli.CommandLine", getClass().getClassLoader())) {
			System.err.println("'" + DatasourcesCommandLine.NAME
					+ "' as the first argument is the command line of MultiDB, which needs info.picocli:picocli on the"
					+ " class path. Add it, or set '" + ENABLED
					+ "' to false if the argument is the application's own.");
			return 2;
		}
		try (QuietLog log = isLogWanted() ? null : new QuietLog(this.application.getClassLoader())) {
			// The log and whatever else prints: what was asked for is alone on the
			// standard output.
			System.setOut(System.err);
			return Commands.run(this, environment, out);
		}
		finally {
			System.setOut(out);
		}
	}

	/** Whether the command line itself says what is logged. */
	private boolean isLogWanted() {
		return this.arguments.stream()
			.anyMatch((argument) -> argument.startsWith("--logging.level.") || argument.startsWith("--debug")
					|| argument.startsWith("--trace"));
	}

	/** Whether the process is the application's own, so that it ends with the command. */
	private static boolean isProcess() {
		Thread thread = Thread.currentThread();
		return MAIN_THREADS.contains(thread.getName()) && Arrays.stream(thread.getStackTrace())
			.noneMatch((frame) -> TEST_FRAMEWORKS.stream().anyMatch(frame.getClassName()::startsWith));
	}

	/** Apart, as picocli and Liquibase need not be there. */
	private static final class Commands {

		private Commands() {
		}

		static int run(CommandLineRunListener listener, ConfigurableEnvironment environment, PrintStream out) {
			ResourceLoader resources = Objects.requireNonNullElseGet(listener.application.getResourceLoader(),
					() -> new DefaultResourceLoader(listener.application.getClassLoader()));
			return new DatasourcesCommandLine(() -> configured(environment, resources), migrator(resources),
					PropertyKeys::suggest, out, System.err, isTerminal())
				.run(listener.arguments.subList(1, listener.arguments.size()));
		}

		private static Configured configured(ConfigurableEnvironment environment, ResourceLoader resources) {
			// There are no beans; a resolver that is not ours may be one.
			Datasources datasources = new DatasourcesReader(environment, resources, null, Map.of(),
					(name) -> !DatasourcesReader.RESOLVERS.contains(name))
				.read();
			TenancyProperties.Catalog catalog = datasources.tenancy().catalog();
			return new Configured(datasources.sources(), datasources.templates(), datasources.ofDefault(),
					datasources.notes(),
					StringUtils.hasText(catalog.source()) ? catalog.settings(environment::getProperty) : null,
					datasources.tenancy().limits(), datasources.tenancy().liquibase().parallelism());
		}

		private static SourceMigrator migrator(ResourceLoader resources) {
			return ClassUtils.isPresent("liquibase.integration.spring.SpringLiquibase", resources.getClassLoader())
					? new LiquibaseMigrator(resources) : SourceMigrator.NONE;
		}

		/** Since Java 22 there is always a console, which can say whether it is one. */
		@SuppressWarnings("SystemConsoleNull")
		private static boolean isTerminal() {
			Console console = System.console();
			Method method = ClassUtils.getMethodIfAvailable(Console.class, "isTerminal");
			return console != null
					&& (method == null || Boolean.TRUE.equals(ReflectionUtils.invokeMethod(method, console)));
		}

	}

}
