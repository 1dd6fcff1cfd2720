package io.multidb.sample;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import io.multidb.CodeBlock;
import io.multidb.cli.CommandEndedException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.core.env.MapPropertySource;
import org.springframework.core.env.StandardEnvironment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * The commands that the documents show work as they are written: those of the command
 * line are run here with the very arguments, those for curl are sent by
 * {@link DocumentedRequestsTests}, and of those for Maven, which are not run, everything
 * that they name is there.
 */
@ExtendWith(OutputCaptureExtension.class)
class DocumentedCommandsTests {

	/** Which test does what a reader would with a block of a language. */
	private static final Map<String, String> CHECKED_BY = Map.of("java", "DocumentedCodeTests", "xml",
			"DocumentedCodeTests", "yaml", "DocumentedSettingsTests", "properties", "DocumentedSettingsTests", "shell",
			"DocumentedCommandsTests");

	/** Which commands are not run, and why. */
	private static final Map<String, String> NOT_RUN = Map.of("verify", "this test is part of it", "test",
			"this test is part of it", "install", "it changes the reader's local repository", "spring-boot:run",
			"it goes on until somebody ends it; JarIntegrationTests start the same jar", "spring-javaformat:apply",
			"it changes the sources");

	private static final Map<String, String> PLUGINS = Map.of("spring-boot", "spring-boot-maven-plugin",
			"spring-javaformat", "spring-javaformat-maven-plugin");

	private static final List<String> DOCUMENTS = List.of("README.md", "docs/guide.md", "CONTRIBUTING.md");

	private static final String JAR = "java -jar app.jar datasources ";

	private static final Pattern INLINE = Pattern.compile("`((?:\\./mvnw|java -jar app\\.jar|curl) [^`]+)`");

	private static final Pattern WORD = Pattern.compile("(?:[^\\s\"]|\"[^\"]*\")+");

	@TempDir
	private Path folder;

	/** The lines of all blocks for a shell, and what sentences have of them. */
	static Stream<String> commands() {
		return DOCUMENTS.stream()
			.flatMap((file) -> Stream.concat(
					CodeBlock.of(file)
						.stream()
						.filter((block) -> block.language().equals("shell"))
						.flatMap((block) -> block.text().lines()),
					INLINE.matcher(read(file)).results().map((found) -> found.group(1))))
			.map((line) -> line.replaceFirst(" +# .*", ""))
			.distinct();
	}

	private static String read(String file) {
		try {
			return Files.readString(Path.of("..").resolve(file));
		}
		catch (IOException ex) {
			throw new IllegalStateException(file, ex);
		}
	}

	static Stream<String> commandLines() {
		return commands().map((line) -> {
			Matcher maven = Pattern.compile("-Dspring-boot\\.run\\.arguments=\"datasources (.+)\"").matcher(line);
			return line.startsWith(JAR) ? line.substring(JAR.length()) : maven.find() ? maven.group(1) : "";
		}).filter((arguments) -> !arguments.isEmpty()).distinct();
	}

	static Stream<String> ofMaven() {
		return commands().filter((line) -> line.startsWith("./mvnw "));
	}

	@Test
	void everyBlockIsOfALanguageThatATestChecks() {
		assertThat(Stream.of("README.md", "docs/guide.md").flatMap((file) -> CodeBlock.of(file).stream()))
			.hasSizeGreaterThan(40)
			.allSatisfy((block) -> assertThat(CHECKED_BY).as(block.toString()).containsKey(block.language()));
		// Those of lists are not found by any test.
		assertThat(DOCUMENTS)
			.allSatisfy((file) -> assertThat(read(file)).doesNotContainPattern("(?m)^[ \\t]+```|^~~~"));
	}

	@Test
	void everyCommandIsOneThatATestChecks() {
		assertThat(commands()).hasSizeGreaterThan(25)
			.allSatisfy((line) -> assertThat(line).matches("(curl|\\./mvnw) .+|" + Pattern.quote(JAR) + ".+"));
		assertThat(commandLines()).contains("check --spring.profiles.active=prod", "migrate --all", "list");
		assertThat(ofMaven()).hasSizeGreaterThan(6);
	}

	@ParameterizedTest
	@MethodSource("commandLines")
	void runs(String arguments, CapturedOutput output) {
		List<String> all = new ArrayList<>(List.of("datasources"));
		all.addAll(words(arguments));
		// The sample is in the place of the reader's application, in which porto is.
		Map<String, Object> here = new HashMap<>(new SampleFiles(this.folder).properties());
		here.put("app.datasources.porto.url", "jdbc:sqlite:" + this.folder.resolve("porto.db"));
		StandardEnvironment environment = new StandardEnvironment();
		environment.getPropertySources().addFirst(new MapPropertySource("here", here));
		SpringApplicationBuilder application = new SpringApplicationBuilder(SampleApplication.class)
			.environment(environment);
		assertThatExceptionOfType(CommandEndedException.class)
			.isThrownBy(() -> application.run(all.toArray(String[]::new)))
			.satisfies((ended) -> assertThat(ended.getExitCode()).as(output.getAll()).isZero());
	}

	@ParameterizedTest
	@MethodSource("ofMaven")
	void namesWhatIsThere(String line) {
		String pom = read("pom.xml");
		List<String> words = words(line);
		List<String> tasks = new ArrayList<>();
		for (int i = 1; i < words.size(); i++) {
			String word = words.get(i);
			if (word.equals("-pl")) {
				assertThat(words.get(++i).split(","))
					.allSatisfy((module) -> assertThat(pom).as(line).contains("<module>" + module + "</module>"));
			}
			else if (word.startsWith("-P")) {
				assertThat(pom).as(line)
					.containsPattern("<profile>\\s+(<!--.*-->\\s+)?<id>" + word.substring(2) + "</id>");
			}
			else if (word.matches("-D(it\\.)?test=.*")) {
				assertThat(hasTest(word.substring(word.indexOf('=') + 1))).as(line).isTrue();
			}
			else if (word.startsWith("-Dspring-boot.run.arguments=")) {
				assertThat(word).as(line).matches("[^=]+=(\"datasources .+\"|--\\S+=\\S+)");
			}
			else if (word.startsWith("-")) {
				assertThat(word).as(line).isIn("-am", "-DskipTests", "-DskipITs=false");
			}
			else {
				tasks.add(word);
			}
		}
		assertThat(tasks).as(line).isNotEmpty().allSatisfy((task) -> {
			assertThat(NOT_RUN).as(line).containsKey(task);
			if (task.contains(":")) {
				assertThat(pom).as(line)
					.contains("<artifactId>" + PLUGINS.get(task.substring(0, task.indexOf(':'))) + "</artifactId>");
			}
		});
	}

	/** Foo stands for any. */
	private static boolean hasTest(String name) {
		try (Stream<Path> files = Files.walk(Path.of("..", "autoconfigure", "src", "test"))) {
			return name.startsWith("Foo") || files.anyMatch((file) -> file.endsWith(name + ".java"));
		}
		catch (IOException ex) {
			throw new IllegalStateException(name, ex);
		}
	}

	/** As a shell takes them apart. */
	private static List<String> words(String line) {
		return WORD.matcher(line).results().map(MatchResult::group).toList();
	}

}
