package io.multidb.test;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

import org.jspecify.annotations.Nullable;

import org.springframework.beans.factory.support.DefaultSingletonBeanRegistry;
import org.springframework.boot.context.properties.bind.Bindable;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.core.env.ConfigurableEnvironment;
import org.springframework.core.env.MapPropertySource;
import org.springframework.test.context.ContextCustomizer;
import org.springframework.test.context.MergedContextConfiguration;
import org.springframework.util.FileSystemUtils;

/**
 * Replaces the URLs of SQLite files before the context reads them. All are equal, so that
 * tests share contexts.
 */
record TemporaryDatabasesCustomizer() implements ContextCustomizer {

	private static final String NAME = "temporaryDatabases";

	private static final String SQLITE = "jdbc:sqlite:";

	@Override
	public void customizeContext(ConfigurableApplicationContext context, MergedContextConfiguration configuration) {
		ConfigurableEnvironment environment = context.getEnvironment();
		Path directory = directory();
		Map<String, Object> properties = new LinkedHashMap<>();
		// What @AutoConfigureTestDatabase says by itself goes before this.
		properties.put("spring.test.database.replace", "none");
		Binder binder = Binder.get(environment);
		for (String name : names(binder)) {
			String url = url(binder, "app.datasources[" + name + "].url");
			String moved = moved(url, directory.resolve(name));
			if (moved != null) {
				boolean plain = name.matches("[a-z0-9_-]+");
				properties.put("app.datasources" + (plain ? "." + name : "[" + name + "]") + ".url", moved);
			}
		}
		String moved = moved(url(binder, "spring.datasource.url"), directory.resolve("spring.datasource"));
		if (moved != null) {
			properties.put("spring.datasource.url", moved);
		}
		environment.getPropertySources().addFirst(new MapPropertySource(NAME, properties));
		if (context.getBeanFactory() instanceof DefaultSingletonBeanRegistry beans) {
			// The first to be registered is destroyed last, after the pools are closed.
			beans.registerDisposableBean(NAME, () -> FileSystemUtils.deleteRecursively(directory));
		}
	}

	private static Set<String> names(Binder binder) {
		return binder.bind("app.datasources", Bindable.mapOf(String.class, Object.class))
			.map(Map::keySet)
			.orElseGet(Set::of);
	}

	private static String url(Binder binder, String property) {
		return binder.bind(property, String.class).orElse("");
	}

	/** Without the folders before the file, or before the first placeholder. */
	private static @Nullable String moved(String url, Path directory) {
		if (!url.startsWith(SQLITE)) {
			return null;
		}
		String file = url.substring(SQLITE.length());
		if (file.isEmpty() || file.startsWith(":") || file.startsWith("file:")) {
			return null;
		}
		String path = file.replaceFirst("\\?.*", "");
		int end = (path.indexOf('{') < 0) ? path.length() : path.indexOf('{');
		int folders = Math.max(path.lastIndexOf('/', end - 1), path.lastIndexOf('\\', end - 1)) + 1;
		try {
			Files.createDirectories(directory);
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
		return SQLITE + directory + "/" + file.substring(folders);
	}

	private static Path directory() {
		try {
			return Files.createTempDirectory("multidb-test-");
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
	}

}
