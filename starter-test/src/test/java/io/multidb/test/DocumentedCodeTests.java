package io.multidb.test;

import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import javax.xml.parsers.DocumentBuilderFactory;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.io.DefaultResourceLoader;
import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.CodeBlock;
import io.multidb.NoTenantException;
import io.multidb.UnknownTenantException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatException;

/**
 * The code that the documents show compiles, and the first example does what is said of
 * it.
 */
class DocumentedCodeTests {

	/** What a reader's IDE would import. */
	private static final String IMPORTS = Stream
		.of("java.util.*", "javax.sql.DataSource", "io.multidb.*", "io.multidb.access.*", "io.multidb.catalog.*",
				"io.multidb.fanout.*", "io.multidb.routing.*", "io.multidb.source.*", "io.multidb.task.*",
				"io.multidb.test.*", "static java.time.Duration.ofSeconds", "static java.util.Comparator.comparing",
				"org.junit.jupiter.api.Test", "org.slf4j.Logger", "org.springframework.beans.factory.annotation.*",
				"org.springframework.boot.quartz.autoconfigure.*",
				"org.springframework.boot.test.context.SpringBootTest", "org.springframework.context.annotation.Bean",
				"org.springframework.core.annotation.Order", "org.springframework.jdbc.core.simple.JdbcClient",
				"org.springframework.jdbc.support.JdbcTransactionManager",
				"org.springframework.scheduling.annotation.Scheduled", "org.springframework.security.config.Customizer",
				"org.springframework.security.config.annotation.web.builders.HttpSecurity",
				"org.springframework.security.web.SecurityFilterChain", "org.springframework.stereotype.*",
				"org.springframework.transaction.PlatformTransactionManager",
				"org.springframework.transaction.annotation.Transactional")
		.map((name) -> "import " + name + ";\n")
		.reduce("", String::concat);

	/** What the code is about, and its reader has. */
	private static final String AROUND = """
			interface Vault { String url(); String password(); }
			interface Memberships { boolean has(String user, String source); }
			interface Orders { int expire(); }
			record Hit(String title, double relevance) { }
			Catalog catalog; TenantMappings tenantMappings; SourceRegistry registry; SourceDefinition definition;
			ForEach forEach; FanOut fanOut; FanOutJournal journal; FanOutResult<Hit> result; Orders orders; Logger log;
			List<String> tenants; List<String> sources; String q; String secret; String password;
			""";

	@TempDir
	private Path directory;

	static Stream<CodeBlock> blocks(String language) {
		return Stream.of("README.md", "docs/guide.md")
			.flatMap((file) -> CodeBlock.of(file).stream())
			.filter((block) -> block.language().equals(language));
	}

	static Stream<CodeBlock> code() {
		return blocks("java");
	}

	@ParameterizedTest
	@MethodSource("code")
	void compiles(CodeBlock block) throws IOException {
		assertThat(compile(block)).isEmpty();
	}

	@Test
	void codeThatDoesNotCompileWouldBeSeen() throws IOException {
		assertThat(compile(new CodeBlock("none.md", 1, "java", "registry.forget(\"porto\");"))).contains("forget");
	}

	@Test
	void thereAreSome() {
		assertThat(code()).hasSizeGreaterThan(10);
	}

	@Test
	void dependenciesAreOfThisVersion() throws Exception {
		String version = parse(Files.readString(Path.of("pom.xml"))).getElementsByTagName("version")
			.item(0)
			.getTextContent();
		List<CodeBlock> blocks = blocks("xml").toList();
		assertThat(blocks).isNotEmpty();
		for (CodeBlock block : blocks) {
			Document dependency = parse(block.text());
			assertThat(dependency.getElementsByTagName("groupId").item(0).getTextContent()).isEqualTo("io.multidb");
			assertThat(dependency.getElementsByTagName("artifactId").item(0).getTextContent())
				.isIn("multidb-spring-boot-starter", "multidb-spring-boot-starter-test");
			assertThat(dependency.getElementsByTagName("version").item(0).getTextContent()).isEqualTo(version);
		}
	}

	@Test
	void theFirstExampleDoesWhatIsSaidOfIt() throws Exception {
		List<CodeBlock> readme = CodeBlock.of("README.md");
		CodeBlock code = readme.stream().filter((block) -> block.language().equals("java")).findFirst().orElseThrow();
		CodeBlock settings = readme.stream()
			.filter((block) -> block.language().equals("yaml"))
			.findFirst()
			.orElseThrow();
		assertThat(compile(code)).isEmpty();
		Files.writeString(this.directory.resolve("application.yaml"),
				settings.text().replace("jdbc:sqlite:", "jdbc:sqlite:" + this.directory + "/"));
		try (URLClassLoader classLoader = new URLClassLoader(new URL[] { this.directory.toUri().toURL() },
				getClass().getClassLoader())) {
			Class<?> type = classLoader.loadClass("Notes");
			try (ConfigurableApplicationContext context = start(classLoader, type)) {
				Object notes = context.getBean(type);
				Method save = type.getMethod("save", String.class, String.class);
				save.setAccessible(true);
				save.invoke(notes, "lisbon", "hello");
				assertThat(this.directory.resolve("lisbon.db")).isNotEmptyFile();
				assertThat(this.directory.resolve("porto.db")).doesNotExist();
				assertThatException().isThrownBy(() -> save.invoke(notes, "madrid", "hello"))
					.withRootCauseInstanceOf(UnknownTenantException.class);
				assertThatException()
					.isThrownBy(() -> context.getBean(JdbcClient.class).sql("select 1").query().listOfRows())
					.withRootCauseInstanceOf(NoTenantException.class);
				assertThat(this.directory.toFile().list((parent, name) -> name.contains("madrid"))).isEmpty();
			}
		}
	}

	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration
	static class Application {

	}

	private ConfigurableApplicationContext start(ClassLoader classLoader, Class<?> service) {
		return new SpringApplicationBuilder(Application.class, service).web(WebApplicationType.NONE)
			.resourceLoader(new DefaultResourceLoader(classLoader))
			.run("--spring.config.location=file:" + this.directory + "/", "--spring.flyway.enabled=false",
					"--spring.data.jdbc.repositories.enabled=false", "--spring.data.jpa.repositories.enabled=false",
					"--spring.liquibase.enabled=false");
	}

	private static Document parse(String xml) throws Exception {
		return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(xml)));
	}

	/** What the compiler has to say, empty if nothing. */
	private String compile(CodeBlock block) throws IOException {
		String text = block.text().replace("{ … }", "{ }");
		boolean types = text.lines().anyMatch((line) -> line.startsWith("class "));
		boolean members = text.startsWith("@");
		String name = types ? "Notes" : "Around";
		String source = types ? text
				: "abstract class Around {\n" + AROUND + (members ? text : "void run() {\n" + text + "}\n") + "}\n";
		Path file = Files.writeString(this.directory.resolve(name + ".java"), IMPORTS + source);
		JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
		StringWriter said = new StringWriter();
		try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
			Iterable<? extends JavaFileObject> sources = files.getJavaFileObjects(file);
			String classPath = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
			compiler
				.getTask(said, files, null,
						List.of("-proc:none", "-parameters", "-d", this.directory.toString(), "-cp", classPath), null,
						sources)
				.call();
		}
		return said.toString();
	}

}
