package io.multidb.sample;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/**
 * Starts the sample. Where the databases are, and which tenant uses which, stands in
 * {@code application.yaml}; no class here names one.
 */
@SpringBootApplication
public class SampleApplication {

	/**
	 * Starts the sample in the current folder, and keeps its files under {@code data/}
	 * there.
	 * @param args Spring Boot's command line
	 * @throws IOException if the folder cannot be made
	 */
	public static void main(String[] args) throws IOException {
		// The library makes databases, never folders: a mistyped path shall not become
		// one.
		Files.createDirectories(Path.of("data", "elections"));
		SpringApplication.run(SampleApplication.class, args);
	}

}
