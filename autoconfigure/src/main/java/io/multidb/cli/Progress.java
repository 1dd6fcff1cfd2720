package io.multidb.cli;

import java.io.PrintStream;

import org.jspecify.annotations.Nullable;

/**
 * Prints what is done, line by line, and on a terminal how much that is, below. Its lock
 * is itself.
 */
final class Progress implements AutoCloseable {

	private static final int WIDTH = 30;

	private final PrintStream out;

	private final boolean bar;

	private final int total;

	private int done;

	private int failed;

	private int drawn;

	Progress(PrintStream out, boolean terminal, int total) {
		this.out = out;
		this.bar = terminal && total > 1;
		this.total = total;
		draw();
	}

	/**
	 * One more is done.
	 * @param line what to say of it, or {@code null} for nothing
	 * @param failure whether it failed
	 */
	synchronized void done(@Nullable String line, boolean failure) {
		this.done++;
		this.failed += failure ? 1 : 0;
		clear();
		if (line != null) {
			this.out.println(line);
		}
		draw();
	}

	private void draw() {
		if (!this.bar) {
			return;
		}
		int filled = WIDTH * this.done / this.total;
		String text = "[" + "#".repeat(filled) + "-".repeat(WIDTH - filled) + "] " + this.done + "/" + this.total
				+ ((this.failed > 0) ? ", " + this.failed + " failed" : "");
		this.out.print(text);
		this.out.flush();
		this.drawn = text.length();
	}

	/** By what any terminal knows. */
	private void clear() {
		if (this.drawn > 0) {
			this.out.print("\r" + " ".repeat(this.drawn) + "\r");
			this.drawn = 0;
		}
	}

	@Override
	public synchronized void close() {
		clear();
		this.out.flush();
	}

}
