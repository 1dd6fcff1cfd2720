package io.multidb.discovery;

import java.io.IOException;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.core.io.DefaultResourceLoader;

import io.multidb.InvalidDatasourcesException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for {@link TenantPackages}.
 */
class TenantPackagesTests {

	@TempDir
	private Path directory;

	@ParameterizedTest
	@CsvSource(nullValues = "-", textBlock = """
			com.acme.apps.auth,          auth
			com.acme.apps.auth.web.v1,   auth
			com.acme.apps.Auth_2,        Auth_2
			com.acme.apps,               -
			com.acme.appsx.auth,         -
			com.acme,                    -
			org.com.acme.apps.auth,      -
			com.acme.shops.lisbon.data,  lisbon
			com.acme.shops.porto.data.x, porto
			com.acme.shops.lisbon.dating, -
			com.acme.shops.lisbon,       -
			''  ,                        -
			""")
	void tenantIsThePartThatThePatternNames(String name, String tenant) {
		TenantPackages packages = TenantPackages.of(List.of("com.acme.apps.{tenant}", "com.acme.shops.{tenant}.data"));
		assertThat(packages.tenantOf(name)).isEqualTo(tenant);
	}

	@Test
	void theFirstPatternDecides() {
		assertThat(TenantPackages.of(List.of("a.{tenant}.c", "a.b.{tenant}")).tenantOf("a.b.c")).isEqualTo("b");
		assertThat(TenantPackages.of(List.of("a.b.{tenant}", "a.{tenant}.c")).tenantOf("a.b.c")).isEqualTo("c");
	}

	@ParameterizedTest
	@ValueSource(
			strings = { "", "com.acme.apps", "{tenant}", "{tenant}.apps", "com.acme.{app}", "com.acme.app-{tenant}",
					"com.{tenant}.{tenant}", "com..{tenant}", "com.acme.*", "com/acme/{tenant}", "com.acme.{tenant}." })
	void patternsOfAnotherShapeAreRefused(String pattern) {
		assertThatExceptionOfType(InvalidDatasourcesException.class)
			.isThrownBy(() -> TenantPackages.of(List.of("com.acme.{tenant}", pattern)))
			.satisfies((ex) -> assertThat(ex.mistakes()).singleElement().asString().contains("'" + pattern + "'"));
	}

	@Test
	void findsPackagesInFolders() throws IOException {
		// The folder has the names of the packages above it, and a space.
		Path root = this.directory.resolve("my work/com/acme/apps/classes");
		for (String file : List.of("auth/AuthService.class", "driver/web/Driver.class", "größe/A.class",
				"docs/readme.txt", "empty/package-info.class", "Root.class")) {
			Path path = root.resolve("com/acme/apps/" + file);
			Files.createDirectories(path.getParent());
			Files.createFile(path);
		}
		assertThat(find("com.acme.apps.{tenant}", root)).containsOnlyKeys("auth", "driver", "größe")
			.containsEntry("auth", List.of("com.acme.apps.auth"));
	}

	@Test
	void findsPackagesInJarsAndOfEachPattern() throws IOException {
		Path jar = this.directory.resolve("apps.jar");
		try (OutputStream file = Files.newOutputStream(jar); JarOutputStream out = new JarOutputStream(file)) {
			for (String entry : List.of("com/", "com/acme/", "com/acme/auth/", "com/acme/auth/jobs/",
					"com/acme/auth/jobs/A.class", "com/acme/auth/web/", "com/acme/auth/web/B.class", "com/acme/user/",
					"com/acme/user/C.class")) {
				out.putNextEntry(new JarEntry(entry));
			}
		}
		assertThat(find("com.acme.{tenant}.jobs", jar)).isEqualTo(Map.of("auth", List.of("com.acme.auth.jobs")));
		try (URLClassLoader classLoader = classLoader(jar)) {
			assertThat(TenantPackages.of(List.of("com.acme.{tenant}.jobs", "com.acme.{tenant}"))
				.find(new DefaultResourceLoader(classLoader)))
				.isEqualTo(Map.of("auth", List.of("com.acme.auth.jobs", "com.acme.auth"), "user",
						List.of("com.acme.user")));
		}
	}

	@Test
	void findsNothingWhereThereIsNothing() throws IOException {
		assertThat(find("com.acme.none.{tenant}", this.directory)).isEmpty();
		assertThat(TenantPackages.NONE.find(new DefaultResourceLoader())).isEmpty();
		assertThat(TenantPackages.NONE.tenantOf("com.acme")).isNull();
	}

	private static Map<String, List<String>> find(String pattern, Path classPath) throws IOException {
		try (URLClassLoader classLoader = classLoader(classPath)) {
			return TenantPackages.of(List.of(pattern)).find(new DefaultResourceLoader(classLoader));
		}
	}

	private static URLClassLoader classLoader(Path classPath) throws IOException {
		return new URLClassLoader(new URL[] { classPath.toUri().toURL() }, null);
	}

}
