package io.multidb.migration;

import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import liquibase.integration.spring.SpringResourceAccessor;
import liquibase.resource.Resource;
import org.jspecify.annotations.Nullable;

import org.springframework.core.io.ResourceLoader;

/**
 * Reads a change log's files and remembers their state, to tell later whether any of them
 * has changed. Only files can change while a process runs; what lies in a jar cannot.
 */
final class ChangeLogFiles extends SpringResourceAccessor {

	private static final int DEEPEST = 16;

	/**
	 * Each file, and each directory in which files were searched, as they were when read.
	 */
	private final Map<Path, String> states = new ConcurrentHashMap<>();

	ChangeLogFiles(ResourceLoader resourceLoader) {
		super(resourceLoader);
	}

	@Override
	public @Nullable List<Resource> getAll(String path) throws IOException {
		List<Resource> found = super.getAll(path);
		if (found != null) {
			found.forEach(this::rememberFile);
		}
		return found;
	}

	@Override
	public List<Resource> search(String path, SearchOptions searchOptions) throws IOException {
		List<Resource> found = super.search(path, searchOptions);
		found.forEach((resource) -> rememberDirectories(rememberFile(resource), path));
		return found;
	}

	@Override
	public List<Resource> search(String path, boolean recursive) throws IOException {
		List<Resource> found = super.search(path, recursive);
		found.forEach((resource) -> rememberDirectories(rememberFile(resource), path));
		return found;
	}

	private @Nullable Path rememberFile(Resource resource) {
		URI uri = resource.getUri();
		if (uri == null || !"file".equals(uri.getScheme())) {
			return null;
		}
		// One that is relative to the working directory has no path of its own.
		Path file = uri.isOpaque() ? Path.of(uri.getSchemeSpecificPart()) : Path.of(uri);
		this.states.putIfAbsent(file, state(file));
		return file;
	}

	/**
	 * From the file up to the directory that was searched: a new file changes one of
	 * them.
	 */
	private void rememberDirectories(@Nullable Path file, String searched) {
		Path root = Path.of(searched.replaceFirst("^(classpath\\*?|file):", "").replaceFirst("^/", ""));
		Path directory = (file != null) ? file.getParent() : null;
		for (int depth = 0; directory != null && depth < DEEPEST; depth++) {
			this.states.putIfAbsent(directory, state(directory));
			directory = directory.endsWith(root) ? null : directory.getParent();
		}
	}

	boolean haveChanged() {
		return this.states.entrySet().stream().anyMatch((entry) -> !state(entry.getKey()).equals(entry.getValue()));
	}

	private static String state(Path path) {
		File file = path.toFile();
		return file.lastModified() + "/" + file.length();
	}

}
