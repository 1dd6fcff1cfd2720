package io.multidb.autoconfigure;

import java.lang.reflect.RecordComponent;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.bind.DataObjectPropertyName;

/**
 * The keys of a properties record, for saying which one was probably meant.
 */
final class PropertyKeys {

	private PropertyKeys() {
	}

	/**
	 * All keys below a properties record, dashed.
	 */
	static Set<String> of(Class<?> properties) {
		Set<String> keys = new TreeSet<>();
		collect(properties, "", keys);
		return keys;
	}

	private static void collect(Class<?> properties, String prefix, Set<String> keys) {
		for (RecordComponent component : properties.getRecordComponents()) {
			String key = prefix + DataObjectPropertyName.toDashedForm(component.getName());
			if (component.getType().isRecord()) {
				collect(component.getType(), key + ".", keys);
			}
			else if (!Map.class.isAssignableFrom(component.getType())) {
				keys.add(key);
			}
		}
	}

	/**
	 * The known key nearest to an unknown one.
	 * @return the key, or {@code null} if none is near
	 */
	static @Nullable String nearest(String unknown, Collection<String> known) {
		String nearest = null;
		int best = Math.max(2, unknown.length() / 3) + 1;
		for (String key : known) {
			int distance = distance(unknown, key);
			if (distance < best) {
				best = distance;
				nearest = key;
			}
		}
		return nearest;
	}

	/** Levenshtein's edit distance, one row at a time. */
	private static int distance(String left, String right) {
		int[] row = new int[right.length() + 1];
		for (int j = 0; j <= right.length(); j++) {
			row[j] = j;
		}
		for (int i = 1; i <= left.length(); i++) {
			int diagonal = row[0];
			row[0] = i;
			for (int j = 1; j <= right.length(); j++) {
				int substitution = diagonal + ((left.charAt(i - 1) == right.charAt(j - 1)) ? 0 : 1);
				diagonal = row[j];
				row[j] = Math.min(substitution, Math.min(row[j], row[j - 1]) + 1);
			}
		}
		return row[right.length()];
	}

}
