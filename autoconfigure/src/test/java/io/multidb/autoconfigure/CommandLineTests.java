package io.multidb.autoconfigure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;

import jakarta.servlet.ServletContext;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

import org.springframework.boot.ApplicationRunner;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.ApplicationContextInitializer;
import org.springframework.context.ApplicationEvent;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.SmartLifecycle;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.event.EventListener;
import org.springframework.scheduling.annotation.EnableScheduling;
import org.springframework.scheduling.annotation.Scheduled;

import io.multidb.cli.CommandEndedException;
import io.multidb.source.Race;
import io.multidb.source.SourceEvent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

/**
 * Tests for how the command line takes the place of an application.
 */
@ExtendWith(OutputCaptureExtension.class)
class CommandLineTests {

	/** What of the application was started. */
	private static final List<String> started = new CopyOnWriteArrayList<>();

	@TempDir
	private Path directory;

	@BeforeEach
	void forget() {
		started.clear();
	}

	/** Anything an application may have that does something by itself. */
	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration
	@EnableScheduling
	static class Shop implements SmartLifecycle {

		private volatile boolean running;

		Shop() {
			started.add("constructor");
		}

		@Bean
		CommandLineRunner commandLineRunner() {
			return (arguments) -> started.add("command line runner");
		}

		@Bean
		ApplicationRunner applicationRunner() {
			return (arguments) -> started.add("application runner");
		}

		@Scheduled(fixedRate = 1)
		void tick() {
			started.add("scheduler");
		}

		@EventListener
		void on(ApplicationEvent event) {
			started.add("listener");
		}

		@EventListener
		void on(SourceEvent event) {
			started.add("source listener");
		}

		@Bean(initMethod = "run")
		Runnable initialized() {
			return () -> started.add("init method");
		}

		@Override
		public void start() {
			this.running = true;
			started.add("lifecycle");
		}

		@Override
		public void stop() {
			this.running = false;
		}

		@Override
		public boolean isRunning() {
			return this.running;
		}

	}

	/** Has a meaning of its own for the argument. */
	@Configuration(proxyBeanMethods = false)
	static class Plain {

		@Bean
		CommandLineRunner commandLineRunner() {
			return (arguments) -> started.add(arguments[0] + " " + arguments[1]);
		}

	}

	private SpringApplication application(WebApplicationType type) {
		SpringApplication application = new SpringApplication(Shop.class);
		application.setWebApplicationType(type);
		application.addInitializers(
				(ApplicationContextInitializer<ConfigurableApplicationContext>) (context) -> started.add("context"));
		return application;
	}

	private String[] arguments(String... first) {
		return Stream
			.concat(Stream.of(first),
					Stream.of("--app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
							"--app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"),
							"--app.tenancy.liquibase.change-log=classpath:db/notes.yaml", "--server.port=0"))
			.toArray(String[]::new);
	}

	private int exitCode(SpringApplication application, String... arguments) {
		List<Integer> exitCode = new ArrayList<>();
		assertThatExceptionOfType(CommandEndedException.class).isThrownBy(() -> application.run(arguments))
			.satisfies((ex) -> exitCode.add(ex.getExitCode()));
		return exitCode.get(0);
	}

	@ParameterizedTest
	@ValueSource(strings = { "migrate --all", "create --all", "list", "discover", "check" })
	void startsNothingOfTheApplication(String command) {
		String[] words = ("datasources " + command).split(" ");
		assertThat(exitCode(application(WebApplicationType.SERVLET), arguments(words))).isZero();
		assertThat(started).isEmpty();
	}

	@Test
	void theApplicationStartsAllThatOtherwise() {
		try (ConfigurableApplicationContext context = application(WebApplicationType.SERVLET).run(arguments())) {
			assertThat(context.getBean(ServletContext.class)).isNotNull();
			await().atMost(Duration.ofMinutes(1))
				.untilAsserted(() -> assertThat(started).contains("context", "constructor", "command line runner",
						"application runner", "scheduler", "listener", "source listener", "init method", "lifecycle"));
		}
	}

	@Test
	void doesWhatTheCommandSays(CapturedOutput output) {
		assertThat(exitCode(application(WebApplicationType.NONE), arguments("datasources", "migrate", "lisbon")))
			.isZero();
		assertThat(output.getOut()).containsPattern("lisbon  migrated in \\d+ ms");
		assertThat(this.directory).isDirectoryContaining("glob:**/lisbon.db")
			.isDirectoryNotContaining("glob:**/porto.db");
		assertThat(exitCode(application(WebApplicationType.NONE), arguments("datasources", "lits"))).isEqualTo(2);
	}

	@Test
	void mistakesInTheConfigurationAreSaidOnce(CapturedOutput output) {
		assertThat(exitCode(application(WebApplicationType.NONE),
				arguments("datasources", "check", "--app.datasources.porto.ulr=x", "--app.tenancy.no-tenant=lisbno")))
			.isOne();
		assertThat(output.getErr()).contains("2 mistakes")
			.contains("Did you mean 'url'?")
			.containsOnlyOnce("Did you mean 'lisbon'?");
	}

	@Test
	void readsFilesAndProfilesAsTheApplicationDoes(CapturedOutput output) throws IOException {
		Files.writeString(this.directory.resolve("application.yaml"),
				"app.datasources.madrid.url: jdbc:sqlite:" + this.directory.resolve("madrid.db"));
		Files.writeString(this.directory.resolve("application-fair.yaml"),
				"app.datasources.fair.url: jdbc:sqlite:" + this.directory.resolve("fair.db"));
		assertThat(exitCode(application(WebApplicationType.NONE), arguments("datasources", "discover",
				"--spring.profiles.active=fair", "--spring.config.location=" + this.directory + "/")))
			.isZero();
		assertThat(output.getOut())
			.containsPattern("madrid +jdbc:sqlite:.*madrid.db +sqlite +.*application.yaml.* - 1:29")
			.containsPattern("fair +jdbc:sqlite:.*fair.db +sqlite +.*application-fair.yaml.* - 1:27");
	}

	@Test
	void whatWasAskedForIsAloneOnTheStandardOutput(CapturedOutput output) throws IOException {
		Files.writeString(this.directory.resolve("broken.sql"),
				"--liquibase formatted sql\n--changeset me:1\nnonsense;\n");
		assertThat(exitCode(application(WebApplicationType.NONE),
				arguments("datasources", "migrate", "--all",
						"--app.datasources.lost.url=jdbc:sqlite:" + this.directory + "/missing/lost.db",
						"--app.datasources.broken.url=jdbc:sqlite:" + this.directory + "/broken.db",
						"--app.datasources.broken.liquibase.change-log=file:" + this.directory + "/broken.sql")))
			.isOne();
		assertThat(output.getOut().lines()).hasSize(5)
			.allMatch((line) -> line
				.matches("(lisbon|porto)  +migrated .*|(lost|broken)  +FAILED: .*|4 sources, 2 failed"));
		assertThat(output.getErr()).as("said twice").isEmpty();
	}

	@Test
	void theLogIsAsBeforeAfterwards(CapturedOutput output) {
		assertThat(exitCode(application(WebApplicationType.NONE), arguments("datasources", "list"))).isZero();
		LoggerFactory.getLogger("io.multidb.test").info("still logged");
		assertThat(output.getOut()).contains("still logged");
	}

	@Test
	void theLogIsShownIfTheCommandLineSaysSo(CapturedOutput output) {
		assertThat(exitCode(application(WebApplicationType.NONE),
				arguments("datasources", "migrate", "--all", "--logging.level.io.multidb=info")))
			.isZero();
		assertThat(output.getErr()).contains("lisbon: migrated with classpath:db/notes.yaml");
		assertThat(output.getOut()).doesNotContain("classpath:db/notes.yaml");
	}

	@ParameterizedTest
	@ValueSource(strings = { "list datasources", "Datasources list", "datasources=list", "--datasources", "x" })
	void onlyTheFirstArgumentAsItIsMeansACommand(String words) {
		runs(arguments(words.split(" ")));
	}

	@ParameterizedTest
	@ValueSource(strings = { "--app.tenancy.cli.enabled=false", "--app.tenancy.enabled=false" })
	void canBeSwitchedOff(String property) {
		try (ConfigurableApplicationContext context = SpringApplication.run(Plain.class, "datasources", "list",
				property, "--spring.main.web-application-type=none")) {
			assertThat(started).containsExactly("datasources list");
		}
	}

	private void runs(String... arguments) {
		try (ConfigurableApplicationContext context = application(WebApplicationType.NONE).run(arguments)) {
			assertThat(context.isActive()).isTrue();
			assertThat(started).contains("command line runner");
		}
	}

	@Test
	void aChildIsNotStartedEither() {
		SpringApplicationBuilder builder = new SpringApplicationBuilder(Shop.class).web(WebApplicationType.NONE)
			.child(Shop.class);
		assertThatExceptionOfType(CommandEndedException.class)
			.isThrownBy(() -> builder.run(arguments("datasources", "list")));
		assertThat(started).isEmpty();
	}

	@Test
	void anApplicationWithoutSourcesHasNone(CapturedOutput output) {
		assertThat(exitCode(application(WebApplicationType.NONE), "datasources", "list")).isZero();
		assertThat(output.getOut().lines()).singleElement().asString().startsWith("NAME");
		assertThat(started).isEmpty();
	}

	@Test
	void aThreadThatIsNotTheMainOneIsNotEnded() throws Exception {
		assertThat(
				Race.run(1, () -> exitCode(application(WebApplicationType.NONE), arguments("datasources", "discover"))))
			.containsExactly(0);
	}

	/** Its beans may have resolvers, which are not looked for. */
	@Test
	void aResolverThatMayBeABeanIsNoMistake() {
		assertThat(exitCode(application(WebApplicationType.NONE),
				arguments("datasources", "check", "--app.tenancy.web.resolvers=header,badge")))
			.isZero();
		assertThat(exitCode(application(WebApplicationType.NONE),
				arguments("datasources", "check", "--app.tenancy.web.resolvers=path")))
			.isOne();
	}

}
