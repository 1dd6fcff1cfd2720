package io.multidb.autoconfigure;

import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import org.springframework.boot.context.properties.source.ConfigurationPropertySources;
import org.springframework.boot.env.YamlPropertySourceLoader;
import org.springframework.core.env.MapPropertySource;
import org.springframework.core.env.PropertySource;
import org.springframework.core.env.StandardEnvironment;
import org.springframework.core.io.ByteArrayResource;
import org.springframework.core.io.DefaultResourceLoader;
import org.springframework.core.io.Resource;

import io.multidb.CodeBlock;
import io.multidb.InvalidDatasourcesException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * The settings that the documents show are read as an application's would be, without a
 * mistake.
 */
class DocumentedSettingsTests {

	/** What a block leaves out, as its text says: sources by those who name them. */
	private static final Map<String, String> ELSEWHERE = Map.of("chats-1", "jdbc:sqlite:chats-1.db", "chats-2",
			"jdbc:sqlite:chats-2.db", "chats-3", "jdbc:sqlite:chats-3.db");

	static Stream<CodeBlock> settings() {
		return Stream.of("README.md", "docs/guide.md")
			.flatMap((file) -> CodeBlock.of(file).stream())
			.filter((block) -> block.language().equals("yaml"));
	}

	@ParameterizedTest
	@MethodSource("settings")
	void areReadWithoutAMistake(CodeBlock block) {
		assertThatCode(() -> read(block)).doesNotThrowAnyException();
	}

	/** What another library read before, and what this one reads after. */
	@Test
	void whatStoodBeforeIsAllThereAfter() throws IOException {
		List<CodeBlock> blocks = CodeBlock.of("docs/guide.md");
		List<CodeBlock> before = blocks.stream().filter((block) -> block.language().equals("properties")).toList();
		assertThat(before).isNotEmpty();
		for (CodeBlock block : before) {
			Properties properties = new Properties();
			properties.load(new StringReader(block.text()));
			assertThat(properties).hasSize((int) block.text().lines().count());
			Collection<String> after = read(blocks.get(blocks.indexOf(block) + 1)).sources()
				.stream()
				.map((source) -> source.url().text())
				.toList();
			assertThat(properties.entrySet().stream().filter((each) -> each.getKey().toString().endsWith(".url")))
				.isNotEmpty()
				.allSatisfy((each) -> assertThat(after).as(block.toString()).contains(each.getValue().toString()));
		}
	}

	@Test
	void aMistakeWouldBeSeen() {
		CodeBlock block = new CodeBlock("none.md", 1, "yaml",
				"app.datasources.main: { url: \"jdbc:sqlite:a.db\", urll: 1 }");
		assertThatExceptionOfType(InvalidDatasourcesException.class).isThrownBy(() -> read(block));
	}

	@Test
	void thereAreSome() {
		assertThat(settings()).hasSizeGreaterThan(15);
	}

	private static Datasources read(CodeBlock block) throws IOException {
		StandardEnvironment environment = new StandardEnvironment();
		// The reader's packages and drivers are none of ours.
		String text = block.text().replace("com.acme.apps.", "io.multidb.").replace("jdbc:mysql:", "jdbc:acme:");
		for (PropertySource<?> source : new YamlPropertySourceLoader().load(block.toString(),
				new ByteArrayResource(text.getBytes(StandardCharsets.UTF_8), block.toString()))) {
			environment.getPropertySources().addLast(source);
		}
		Map<String, Object> around = new LinkedHashMap<>();
		ELSEWHERE.forEach((name, url) -> {
			if (Pattern.compile("\\b" + name + "\\b").matcher(block.text()).find()) {
				around.put("app.datasources." + name + ".url", url);
			}
		});
		if (!block.text().contains("datasource")) {
			around.put("app.datasources.main.url", "jdbc:sqlite:main.db");
			around.put("app.datasources.default.url", "jdbc:sqlite:default.db");
		}
		Matcher variables = Pattern.compile("\\$\\{([A-Z_]+)}").matcher(block.text());
		while (variables.find()) {
			around.put(variables.group(1), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
		}
		environment.getPropertySources().addLast(new MapPropertySource("around", around));
		ConfigurationPropertySources.attach(environment);
		DefaultResourceLoader resourceLoader = new DefaultResourceLoader() {
			@Override
			public Resource getResource(String location) {
				return location.startsWith("classpath:db/") ? new ByteArrayResource(new byte[0], location)
						: super.getResource(location);
			}
		};
		return new DatasourcesReader(environment, resourceLoader, null, Map.of(), "byToken"::equals).read();
	}

}
