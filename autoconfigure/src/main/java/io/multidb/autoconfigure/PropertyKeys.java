package io.multidb.autoconfigure;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
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
	 * All keys below a properties record, dashed; those of a list's elements with
	 * {@code []}, those of maps not at all, for any is right.
	 */
	static Set<String> of(Class<?> properties) {
		Set<String> keys = new TreeSet<>();
		collect(properties, "", keys);
		return keys;
	}

	private static void collect(Class<?> properties, String prefix, Set<String> keys) {
		for (RecordComponent component : properties.getRecordComponents()) {
			String key = prefix + DataObjectPropertyName.toDashedForm(component.getName());
			Class<?> type = component.getType();
			if (type == List.class && component.getGenericType() instanceof ParameterizedType list
					&& list.getActualTypeArguments()[0] instanceof Class<?> element && element.isRecord()) {
				collect(element, key + "[].", keys);
			}
			else if (type.isRecord()) {
				collect(type, key + ".", keys);
			}
			else if (type != Map.class) {
				keys.add(key);
			}
		}
	}

	/** How an enum's constant is written in a configuration. */
	static String dashed(Object constant) {
		return constant.toString().toLowerCase(Locale.ROOT).replace('_', '-');
	}

	/** What to say of an unknown name: the one that was probably meant, or all. */
	static String suggest(String unknown, Collection<String> known) {
		String nearest = nearest(unknown, known);
		return (nearest != null) ? " Did you mean '" + nearest + "'?"
				: known.isEmpty() ? " None is declared." : " Known: " + String.join(", ", new TreeSet<>(known)) + ".";
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
