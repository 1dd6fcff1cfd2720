package io.multidb.autoconfigure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * An application in a process of its own, and where its output goes.
 *
 * @param process the process
 * @param out the file with its standard output
 * @param err the file with what is wrong
 */
record ShopProcess(Process process, Path out, Path err) implements AutoCloseable {

	/** Says so when it is started. */
	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration
	static class Shop {

		@Bean
		CommandLineRunner runner() {
			return (arguments) -> System.out.println("the application runs");
		}

		public static void main(String[] arguments) {
			try {
				SpringApplication.run(Shop.class, arguments);
			}
			catch (RuntimeException ex) {
				System.out.println("main was told");
			}
			System.out.println("main goes on");
		}

	}

	/**
	 * Starts it.
	 * @param classPath its class path
	 * @param directory where its output goes
	 * @param variables of its environment, beside ours
	 * @param arguments its command line
	 */
	static ShopProcess start(String classPath, Path directory, Map<String, String> variables, String... arguments)
			throws IOException {
		List<String> command = new ArrayList<>(
				List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1",
						"-Xmx256m", "-cp", classPath, Shop.class.getName()));
		command.addAll(List.of(arguments));
		Path out = Files.createTempFile(directory, "out", ".txt");
		Path err = Files.createTempFile(directory, "err", ".txt");
		ProcessBuilder builder = new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
		builder.environment().putAll(variables);
		return new ShopProcess(builder.start(), out, err);
	}

	int exitCode() throws InterruptedException {
		assertThat(this.process.waitFor(2, TimeUnit.MINUTES)).isTrue();
		return this.process.exitValue();
	}

	List<String> lines() throws IOException {
		return Files.readAllLines(this.out);
	}

	String wrong() {
		try {
			return Files.readString(this.err);
		}
		catch (IOException ex) {
			return ex.toString();
		}
	}

	@Override
	public void close() {
		this.process.destroyForcibly();
	}

}
