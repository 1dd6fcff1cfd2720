package io.multidb.sample;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * A process of the sample, and where its output goes.
 *
 * @param name what to call it
 * @param process the process
 * @param output the file that has its output
 */
record RunningSample(String name, Process process, Path output) {

	private static final Pattern LISTENING = Pattern.compile("Tomcat started on port (\\d+)");

	/**
	 * Starts a process on the class path of the tests.
	 * @param name what to call it
	 * @param folder where it runs
	 * @param options of the JVM
	 */
	static RunningSample start(String name, Path folder, String... options) throws IOException {
		return start(name, folder, Map.of(), options);
	}

	/**
	 * Starts a process on the class path of the tests.
	 * @param name what to call it
	 * @param folder where it runs
	 * @param variables of its environment, beside ours
	 * @param options of the JVM
	 */
	static RunningSample start(String name, Path folder, Map<String, String> variables, String... options)
			throws IOException {
		List<String> application = new ArrayList<>(List.of("-cp", System.getProperty("java.class.path")));
		application.addAll(List.of(options));
		application.add(SampleApplication.class.getName());
		return start(name, folder, variables, application);
	}

	/**
	 * Starts the jar that was built, as its users do.
	 * @param name what to call it
	 * @param folder where it runs
	 * @param variables of its environment, beside ours
	 */
	static RunningSample startJar(String name, Path folder, Map<String, String> variables) throws IOException {
		try (Stream<Path> files = Files.list(Path.of("target"))) {
			List<Path> jars = files
				.filter((file) -> file.getFileName().toString().matches("multidb-sample-app-.*\\.jar"))
				.toList();
			assertThat(jars).as("made by the build before").hasSize(1);
			return start(name, folder, variables, List.of("-jar", jars.get(0).toAbsolutePath().toString()));
		}
	}

	private static RunningSample start(String name, Path folder, Map<String, String> variables,
			List<String> application) throws IOException {
		Path output = folder.resolve(name + ".log");
		List<String> command = new ArrayList<>(
				List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1",
						"-Xmx256m"));
		command.addAll(application);
		command.addAll(List.of("--server.port=0",
				// The tests' logging shows warnings only.
				"--logging.level.org.springframework.boot.tomcat=info", "--logging.level.io.multidb.sample=info"));
		ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile())
			.redirectErrorStream(true)
			.redirectOutput(output.toFile());
		builder.environment().putAll(variables);
		return new RunningSample(name, builder.start(), output);
	}

	SampleClient connect() {
		int port = await("the start of process " + this.name).atMost(Duration.ofMinutes(2))
			.until(this::port, (found) -> {
				assertThat(this.process.isAlive()).as(this::log).isTrue();
				return found > 0;
			});
		return SampleClient.at(port);
	}

	private int port() {
		Matcher listening = LISTENING.matcher(log());
		return listening.find() ? Integer.parseInt(listening.group(1)) : 0;
	}

	void kill() {
		this.process.destroyForcibly();
	}

	void stop() throws InterruptedException {
		this.process.destroy();
		assertThat(this.process.waitFor(2, TimeUnit.MINUTES)).as(this::log).isTrue();
	}

	String log() {
		try {
			return Files.readString(this.output);
		}
		catch (IOException ex) {
			return ex.toString();
		}
	}

}
