package io.multidb.cli;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;

/**
 * Prints rows in columns that are as wide as what is in them: nothing is cut off, as it
 * may be read by a program.
 */
final class Table {

	private final List<List<String>> rows = new ArrayList<>();

	Table(String... headings) {
		this.rows.add(List.of(headings));
	}

	void add(String... cells) {
		this.rows.add(List.of(cells));
	}

	void print(PrintStream out) {
		int columns = this.rows.get(0).size();
		int[] widths = new int[columns];
		for (List<String> row : this.rows) {
			for (int i = 0; i < columns; i++) {
				widths[i] = Math.max(widths[i], row.get(i).length());
			}
		}
		for (List<String> row : this.rows) {
			StringBuilder line = new StringBuilder();
			for (int i = 0; i < columns; i++) {
				String cell = row.get(i);
				line.append(cell).append(" ".repeat(widths[i] - cell.length() + 2));
			}
			out.println(line.toString().stripTrailing());
		}
	}

}
