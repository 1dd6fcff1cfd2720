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

import org.springframework.core.io.ResourceLoader;

/**
 * Reads a change log's files and remembers their state, to tell later whether any of them
 * has changed. Only files can change while a process runs; what lies in a jar cannot.
 */
final class ChangeLogFiles extends SpringResourceAccessor {

	/**
	 * Each file, and each directory in which files were searched, as they were when read.
	 */
	private final Map<Path, String> states = new ConcurrentHashMap<>();

	ChangeLogFiles(ResourceLoader resourceLoader) {
		super(resourceLoader);
	}

	@Override
	public List<Resource> getAll(String path) throws IOException {
		return remember(super.getAll(path), false);
	}

	@Override
	public List<Resource> search(String path, SearchOptions searchOptions) throws IOException {
		return remember(super.search(path, searchOptions), true);
	}

	@Override
	public List<Resource> search(String path, boolean recursive) throws IOException {
		return remember(super.search(path, recursive), true);
	}

	private List<Resource> remember(List<Resource> resources, boolean searched) {
		for (Resource resource : resources) {
			URI uri = resource.getUri();
			if (uri != null && "file".equals(uri.getScheme())) {
				Path file = Path.of(uri);
				this.states.putIfAbsent(file, state(file));
				Path directory = file.getParent();
				if (searched && directory != null) {
					this.states.putIfAbsent(directory, state(directory));
				}
			}
		}
		return resources;
	}

	boolean haveChanged() {
		return this.states.entrySet().stream().anyMatch((entry) -> !state(entry.getKey()).equals(entry.getValue()));
	}

	private static String state(Path path) {
		File file = path.toFile();
		return file.lastModified() + "/" + file.length();
	}

}
