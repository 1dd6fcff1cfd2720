package io.multidb.page;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CopyOnWriteArrayList;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.actuate.audit.listener.AuditApplicationEvent;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.event.EventListener;

import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceUnavailableException;
import io.multidb.actuate.DatasourcesEndpointJmxExtension;
import io.multidb.fanout.FanOut;
import io.multidb.fanout.FanOutResult;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceEvent;
import io.multidb.source.SourceRegistry;
import io.multidb.source.TestDriver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

/**
 * Every way in which a secret gets into a definition, and every way out of an
 * application. The driver quotes all it was told whatever it is asked.
 */
@ExtendWith(OutputCaptureExtension.class)
class SecretsTests {

	/** A part of all that is known as a secret by its name or place. */
	private static final String SECRET = "s3cret";

	/** A part of what could be one, and is hidden where operators look. */
	private static final String HIDDEN = "v4ult";

	private static final Map<String, String> URLS = new LinkedHashMap<>();

	static {
		URLS.put("plain", "jdbc:quoting://h/db");
		URLS.put("query", "jdbc:quoting://h/db?user=me&password=s3cret-a;s3cret-b s3cret-c&x=1");
		URLS.put("keys", "jdbc:quoting://h/db?accountKey=s3cret-a s3cret-b&privateKey=s3cret-c&apikey=s3cret-d"
				+ "&sslpassphrase=s3cret-e&pass=s3cret-f&X-Amz-Signature=s3cret-g&client_credential=s3cret-h");
		URLS.put("encoded", "jdbc:quoting://h/db?p%61ssword=s3cret-a&options=-c%20app.token%3Ds3cret-b");
		URLS.put("nested", "jdbc:quoting://h/db?sessionVariables=@token='s3cret-a',@b='s3cret-b'");
		URLS.put("semicolons", "jdbc:quoting://h;user=me;password=s3cret-a s3cret-b&s3cret-c;AccountKey=s3cret-d;x=1");
		URLS.put("spaced", "jdbc:quoting://h;Access Key=s3cret-a;Secret Key=s3cret-b");
		URLS.put("userinfo", "jdbc:quoting://me:s3cret-a s3cret-b#s3cret-c@h/db");
		URLS.put("brackets", "jdbc:quoting://(host=h,password=s3cret-a)(accessKey=s3cret-b)/db");
		URLS.put("colon", "jdbc:quoting://h:50000/db:user=me;password=s3cret-a;");
		URLS.put("unknown", "jdbc:quoting://h/db?vault=v4ult-a v4ult-b;v4ult-c&x=v4ult-d");
		URLS.put("unknown-too", "jdbc:quoting://h;vault=v4ult-a v4ult-b&v4ult-c;x=v4ult-d");
	}

	/** Of a source, and of another one. */
	private static String url(String name, String host) {
		return String.valueOf(URLS.get(name))
			.replaceFirst("//(\\(host=)?h\\b", "//$1" + host)
			.replace("@h/", "@" + host + "/");
	}

	@TempDir
	private Path directory;

	private final Driver driver = new QuotingDriver();

	private PageApplication application;

	@BeforeEach
	void start() throws Exception {
		DriverManager.registerDriver(this.driver);
		List<String> properties = new ArrayList<>(List.of(PageApplication.WRITABLE, "logging.level.io.multidb=debug",
				"logging.level.com.zaxxer.hikari=debug", "spring.data.jdbc.dialect=postgresql",
				"spring.jmx.enabled=true", "management.endpoints.jmx.exposure.include=datasources",
				"management.endpoints.jmx.domain=secrets", "management.endpoints.web.exposure.include=*",
				"management.endpoint.health.show-details=always"));
		properties.add("app.datasources.lisbon.password=s3cret-l l");
		URLS.keySet().forEach((name) -> {
			properties.add("app.datasources." + name + ".url=" + url(name, name));
			properties.add("app.datasources." + name + ".password=s3cret-z");
			properties.add("app.datasources." + name + ".essential=false");
		});
		this.application = PageApplication.start(this.directory, Watching.class, properties.toArray(String[]::new));
	}

	@AfterEach
	void stop() throws SQLException {
		if (this.application != null) {
			this.application.close();
		}
		DriverManager.deregisterDriver(this.driver);
	}

	@Test
	void noSecretGetsOut(CapturedOutput output) throws Exception {
		SourceRegistry registry = this.application.bean(SourceRegistry.class);
		List<String> seen = new ArrayList<>();
		for (String name : URLS.keySet()) {
			Throwable failure = catchThrowable(() -> registry.get(name).getConnection());
			assertThat(failure).isInstanceOf(SourceUnavailableException.class);
			seen.add(trace(failure));
		}
		FanOut fanOut = this.application.bean(FanOut.class);
		FanOutResult<Object> asked = fanOut.over(URLS.keySet())
			.timeout(Duration.ofSeconds(60))
			.query((jdbc) -> jdbc.sql("select 1").query().singleColumn());
		assertThat(asked.outcomes()).hasSize(URLS.size()).noneMatch((outcome) -> outcome.completed());
		seen.add(asked.outcomes().toString());
		seen.add(failedWork(fanOut));
		seen.add(changed(registry));
		seen.add(operated());
		Watching watching = this.application.bean(Watching.class);
		assertThat(watching.seen).anyMatch((each) -> each.startsWith("event"))
			.anyMatch((each) -> each.startsWith("audit"))
			.anyMatch((each) -> each.startsWith("span") && each.contains("datasources.open"))
			.anyMatch((each) -> each.startsWith("span") && each.contains("datasources.fanout.source"));
		assertThat(output.getAll()).contains("query", "unavailable");
		assertThat(seen).allSatisfy((each) -> assertThat(each).doesNotContain(SECRET));
		assertThat(watching.seen).allSatisfy((each) -> assertThat(each).doesNotContain(SECRET));
		assertThat(output.getAll().lines()).allSatisfy((line) -> assertThat(line).doesNotContain(SECRET));
		whereOperatorsLook();
	}

	private void whereOperatorsLook() throws Exception {
		List<String> paths = new ArrayList<>(List.of("/actuator/datasources?size=1000",
				"/actuator/datasources?state=unavailable&size=1000", "/actuator/health", "/actuator/health/datasources",
				"/actuator/metrics", "/datasources/api/sources?size=100", "/datasources/api/session"));
		for (String name : URLS.keySet()) {
			paths.addAll(List.of("/actuator/datasources/" + name, "/actuator/health/datasources/" + name,
					"/datasources/api/sources/" + name));
		}
		for (String path : paths) {
			String body = this.application.get(path, "olga").body();
			assertThat(body).as(path).contains("{").doesNotContain(SECRET).doesNotContain(HIDDEN);
		}
		assertThat(this.application.get("/actuator/datasources/unknown", "olga").body()).contains("unavailable",
				"vault=******");
		assertThat(this.application.get("/actuator/health/datasources/unknown", "olga").body()).contains("vault=******",
				"cannot be connected");
		MeterRegistry meters = this.application.bean(MeterRegistry.class);
		assertThat(meters.getMeters()).isNotEmpty()
			.allSatisfy((meter) -> assertThat(meter.getId().toString()).doesNotContain(SECRET).doesNotContain(HIDDEN));
	}

	/** Work of a fan-out that fails by itself, on a source that is open. */
	private String failedWork(FanOut fanOut) {
		FanOutResult<Object> failed = fanOut.over(List.of("lisbon")).query((jdbc) -> {
			throw new IllegalStateException("No way to " + URLS.get("brackets") + " as s3cret-l l");
		});
		assertThat(failed.outcomes()).singleElement().satisfies((outcome) -> assertThat(outcome.failure()).isNotNull());
		return failed.outcomes().toString();
	}

	private String changed(SourceRegistry registry) {
		StringBuilder seen = new StringBuilder();
		URLS.keySet().forEach((name) -> {
			String url = url(name, "again-" + name);
			registry.add(SourceDefinition.named(name + "-again").url(url).password("s3cret-z").build());
			seen.append(trace(catchThrowable(() -> registry
				.replace(SourceDefinition.named(name + "-again").url(url + "&y=1").password("s3cret-y").build()))));
			seen.append(registry.get(name).definition()).append(registry.get(name));
		});
		return seen.toString();
	}

	/** Each goes wrong in its own way, and is audited. */
	private String operated() throws Exception {
		DatasourcesEndpointJmxExtension jmx = this.application.bean(DatasourcesEndpointJmxExtension.class);
		StringBuilder seen = new StringBuilder();
		for (String name : URLS.keySet()) {
			String url = url(name, "more-" + name);
			seen.append(trace(catchThrowable(() -> jmx.add("n" + name, url, "me", "s3cret-z", null, false, false))));
			seen.append(
					trace(catchThrowable(() -> jmx.add("n" + name, "x" + url, "me", "s3cret-z", null, false, false))));
			seen.append(trace(catchThrowable(() -> jmx.replace(name, url + "&y=2", "me", "s3cret-z"))));
			seen.append(trace(catchThrowable(() -> jmx.replace(name, null, null, "s3cret-w"))));
			seen.append(trace(catchThrowable(() -> jmx.retry(name))));
			seen.append(this.application
				.post("/datasources/api/sources", "olga", "{'name':'p" + name + "','url':'" + url + "'}")
				.body());
		}
		return seen.toString();
	}

	@Test
	void aStartThatFailsTellsNoSecret(CapturedOutput output) {
		List<String> properties = new ArrayList<>();
		for (String name : URLS.keySet()) {
			String url = url(name, name);
			String key = "app.datasources." + name;
			properties.addAll(List.of(key + "-1.url=" + url, key + "-2.url=" + url, key + "-2.fallback=" + name + "-1",
					key + "-3.url=jdbc:sqlite:" + this.directory + "/" + name + ".db",
					key + "-3.replicas=" + name + "-1", key + "-4.url=x" + url, key + "-5.url=" + url + "&{id}"));
		}
		Throwable failure = catchThrowable(
				() -> PageApplication.start(this.directory, Watching.class, properties.toArray(String[]::new)).close());
		assertThat(failure).rootCause().isInstanceOf(InvalidDatasourcesException.class);
		assertThat(URLS.keySet()).allSatisfy((name) -> assertThat(trace(failure)).contains("'" + name + "-1'"));
		assertThat(trace(failure)).doesNotContain(SECRET);
		assertThat(output.getAll().lines()).allSatisfy((line) -> assertThat(line).doesNotContain(SECRET));
	}

	private static String trace(Throwable failure) {
		if (failure == null) {
			return "";
		}
		StringWriter text = new StringWriter();
		failure.printStackTrace(new PrintWriter(text, true));
		return text.toString();
	}

	/** Keeps all that is told to listeners. */
	@Configuration(proxyBeanMethods = false)
	@Import(PageApplication.Protected.class)
	static class Watching {

		final List<String> seen = new CopyOnWriteArrayList<>();

		@EventListener
		void on(SourceEvent event) {
			this.seen.add("event " + event + " " + event.message());
		}

		@EventListener
		void on(AuditApplicationEvent event) {
			this.seen.add("audit " + event.getAuditEvent());
		}

		@Bean
		ObservationHandler<Observation.Context> spans() {
			return new ObservationHandler<>() {

				@Override
				public void onStop(Observation.Context context) {
					Watching.this.seen.add("span " + context + trace(context.getError()));
				}

				@Override
				public boolean supportsContext(Observation.Context context) {
					return context.getName() != null && context.getName().startsWith("datasources");
				}

			};
		}

	}

	/** Is never reached, and says everything it knows, in several forms. */
	private static final class QuotingDriver extends TestDriver {

		QuotingDriver() {
			super("jdbc:quoting:");
		}

		@Override
		public Connection connect(String url, Properties info) throws SQLException {
			if (!acceptsURL(url)) {
				return null;
			}
			String parameters = url.replaceFirst("^[^?;(]*", "");
			SQLException cause = new SQLException("near '" + parameters + "' with " + info);
			throw new SQLException("No way to " + url + " as " + info.getProperty("password"), "08001", cause);
		}

	}

}
