package io.multidb.page;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;

import org.jspecify.annotations.Nullable;

import org.springframework.http.MediaType;

/**
 * What the page is made of: its own files, and the few it needs of two libraries, from
 * their webjars. All of it is read once, 250 KB, and named by a hash of its contents, so
 * that browsers may keep it. Immutable.
 */
public final class PageFiles {

	private static final MediaType JAVASCRIPT = MediaType.valueOf("text/javascript;charset=UTF-8");

	private static final MediaType CSS = MediaType.valueOf("text/css;charset=UTF-8");

	private static final MediaType SVG = MediaType.valueOf("image/svg+xml;charset=UTF-8");

	private static final String OWN = "io/multidb/page/";

	private static final List<String> OWN_FILES = List.of("address.js", "attention.js", "dialogs.js", "list.js",
			"operations.js", "page.js", "plot.js", "poll.js", "server.js", "servers.js", "source.js", "state.js",
			"tasks.js", "tenants.js", "words.js", "page.css", "icon.svg");

	/** Files of webjars, by library. */
	private static final Map<String, List<String>> LIBRARIES = libraries();

	private final Map<String, byte[]> files;

	private final String version;

	private final byte[] index;

	private PageFiles(Map<String, byte[]> files, String version, byte[] index) {
		this.files = files;
		this.version = version;
		this.index = index;
	}

	private static Map<String, List<String>> libraries() {
		Map<String, List<String>> libraries = new LinkedHashMap<>();
		libraries.put("lit-html", List.of("lit-html.js", "directive.js", "directive-helpers.js", "directives/live.js",
				"directives/repeat.js"));
		libraries.put("chart.js", List.of("dist/chart.umd.min.js"));
		return libraries;
	}

	/**
	 * Which libraries are missing.
	 * @param classLoader where to look
	 * @return their names as webjars, below {@code org.webjars.npm}
	 */
	public static List<String> missing(ClassLoader classLoader) {
		return LIBRARIES.entrySet()
			.stream()
			.filter((library) -> library.getValue()
				.stream()
				.anyMatch((file) -> classLoader.getResource(location(classLoader, library.getKey()) + file) == null))
			.map(Map.Entry::getKey)
			.toList();
	}

	/**
	 * Reads all files.
	 * @param classLoader where they are
	 * @return the files
	 * @throws IllegalStateException if one is not there
	 */
	public static PageFiles load(ClassLoader classLoader) {
		Map<String, byte[]> files = new TreeMap<>();
		OWN_FILES.forEach((name) -> files.put(name, read(classLoader, OWN + name)));
		LIBRARIES.forEach((library, names) -> {
			String location = location(classLoader, library);
			names.forEach((name) -> files.put(library + "/" + name, read(classLoader, location + name)));
		});
		byte[] index = read(classLoader, OWN + "index.html");
		MessageDigest digest = sha256();
		digest.update(index);
		files.forEach((name, file) -> {
			digest.update(name.getBytes(StandardCharsets.UTF_8));
			digest.update(file);
		});
		String version = HexFormat.of().formatHex(digest.digest()).substring(0, 12);
		String text = new String(index, StandardCharsets.UTF_8).replace("{version}", version);
		return new PageFiles(files, version, text.getBytes(StandardCharsets.UTF_8));
	}

	/** A webjar has its version in its path, and says it beside. */
	private static String location(ClassLoader classLoader, String library) {
		String properties = "META-INF/maven/org.webjars.npm/" + library + "/pom.properties";
		try (InputStream in = classLoader.getResourceAsStream(properties)) {
			Properties read = new Properties();
			if (in != null) {
				read.load(in);
			}
			return "META-INF/resources/webjars/" + library + "/" + read.getProperty("version", "none") + "/";
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
	}

	private static byte[] read(ClassLoader classLoader, String name) {
		try (InputStream in = classLoader.getResourceAsStream(name)) {
			if (in == null) {
				throw new IllegalStateException("'" + name + "' is not on the class path");
			}
			return in.readAllBytes();
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
	}

	private static MessageDigest sha256() {
		try {
			return MessageDigest.getInstance("SHA-256");
		}
		catch (NoSuchAlgorithmException ex) {
			throw new IllegalStateException(ex);
		}
	}

	/** The page itself. Not to be changed. */
	byte[] index() {
		return this.index;
	}

	/** A hash of everything. */
	String version() {
		return this.version;
	}

	/**
	 * A file by its path. Not to be changed; {@code null} if the page needs no such file.
	 */
	byte @Nullable [] find(String path) {
		return this.files.get(path);
	}

	/** The media type of a file that was found. */
	static MediaType type(String path) {
		if (path.endsWith(".js")) {
			return JAVASCRIPT;
		}
		return path.endsWith(".css") ? CSS : SVG;
	}

}
