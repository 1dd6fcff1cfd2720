package io.multidb;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import org.jspecify.annotations.Nullable;

/**
 * A fenced block of a document, for tests that do with it what a reader would.
 *
 * @param file the document, from the project's root
 * @param line where the block's text begins, from 1
 * @param language what follows the fence, empty if nothing does
 * @param text what is between the fences
 */
public record CodeBlock(String file, int line, String language, String text) {

	private static final String FENCE = "```";

	/**
	 * All blocks of a document.
	 * @param file the document, from the project's root
	 * @return its blocks, in their order
	 */
	public static List<CodeBlock> of(String file) {
		List<String> lines;
		try {
			// Tests run in their module's directory.
			lines = Files.readAllLines(Path.of("..").resolve(file));
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
		List<CodeBlock> blocks = new ArrayList<>();
		@Nullable String language = null;
		StringBuilder text = new StringBuilder();
		for (int i = 0; i < lines.size(); i++) {
			String line = lines.get(i);
			if (!line.startsWith(FENCE)) {
				text.append(line).append('\n');
			}
			else if (language == null) {
				language = line.substring(FENCE.length()).strip();
				text.setLength(0);
			}
			else {
				blocks.add(new CodeBlock(file, i - (int) text.chars().filter((c) -> c == '\n').count() + 1, language,
						text.toString()));
				language = null;
			}
		}
		if (language != null) {
			throw new IllegalStateException("A block of " + file + " has no end.");
		}
		return blocks;
	}

	@Override
	public String toString() {
		return this.file + ":" + this.line;
	}

}
