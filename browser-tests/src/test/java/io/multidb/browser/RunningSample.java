package io.multidb.browser;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

/**
 * The sample's jar in a process of its own, with its data in a folder of its own.
 */
final class RunningSample implements AutoCloseable {

	private static final Pattern LISTENING = Pattern.compile("Tomcat started on port (\\d+)");

	private static final HttpClient client = HttpClient.newHttpClient();

	private final Path folder;

	private final Process process;

	private final int port;

	private RunningSample(Path folder, Process process) {
		this.folder = folder;
		this.process = process;
		this.port = await("the start of the sample").atMost(Duration.ofMinutes(3)).until(this::findPort, (found) -> {
			assertThat(process.isAlive()).as(this::log).isTrue();
			return found > 0;
		});
	}

	static RunningSample start(Path folder, String... options) throws IOException {
		List<String> command = new ArrayList<>(
				List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1",
						"-Xmx400m", "-jar", jar().toString(), "--server.port=0"));
		command.addAll(List.of(options));
		return new RunningSample(folder,
				new ProcessBuilder(command).directory(folder.toFile())
					.redirectErrorStream(true)
					.redirectOutput(folder.resolve("sample.log").toFile())
					.start());
	}

	private static Path jar() throws IOException {
		try (Stream<Path> files = Files.list(Path.of("..", "sample-app", "target"))) {
			return files
				.filter((file) -> file.getFileName().toString().matches("multidb-sample-app-[^-]*(-SNAPSHOT)?\\.jar"))
				.findAny()
				.orElseThrow(() -> new IllegalStateException("No jar: ./mvnw package -pl sample-app -am"))
				.toAbsolutePath()
				.normalize();
		}
	}

	private int findPort() {
		Matcher listening = LISTENING.matcher(log());
		return listening.find() ? Integer.parseInt(listening.group(1)) : 0;
	}

	String log() {
		try {
			return Files.readString(this.folder.resolve("sample.log"));
		}
		catch (IOException ex) {
			return ex.toString();
		}
	}

	String address() {
		return "http://localhost:" + this.port;
	}

	Path data() {
		return this.folder.resolve("data");
	}

	/** Sends a request, with a body if there is one, as a user if there is one. */
	HttpResponse<String> send(String method, String path, String body, String user)
			throws IOException, InterruptedException {
		HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(address() + path))
			.timeout(Duration.ofMinutes(1))
			.header("Content-Type", "application/json")
			.method(method, body.isEmpty() ? HttpRequest.BodyPublishers.noBody()
					: HttpRequest.BodyPublishers.ofString(body.replace('\'', '"')));
		if (!user.isEmpty()) {
			request.header("Authorization", "Basic "
					+ Base64.getEncoder().encodeToString((user + ":" + user).getBytes(StandardCharsets.UTF_8)));
		}
		return client.send(request.build(), HttpResponse.BodyHandlers.ofString());
	}

	/** Puts sources into the catalog, behind the application's back. */
	void addToCatalog(int count) throws SQLException {
		try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + data().resolve("courts.db"))) {
			connection.setAutoCommit(false);
			try (PreparedStatement insert = connection
				.prepareStatement("insert into multidb_source (name, display_name, url) values (?, ?, ?)")) {
				for (int i = 0; i < count; i++) {
					insert.setString(1, "tenant-%05d".formatted(i));
					insert.setString(2, "Tenant number " + i);
					insert.setString(3, "jdbc:sqlite:data/tenants/%05d.db".formatted(i));
					insert.addBatch();
				}
				insert.executeBatch();
			}
			connection.commit();
		}
	}

	@Override
	public void close() throws InterruptedException {
		this.process.destroy();
		if (!this.process.waitFor(1, TimeUnit.MINUTES)) {
			this.process.destroyForcibly();
		}
	}

}
