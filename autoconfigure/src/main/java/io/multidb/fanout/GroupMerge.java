package io.multidb.fanout;

import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.Objects;
import java.util.function.BinaryOperator;
import java.util.function.Function;

/**
 * Sums by group; as many are kept as there are groups.
 */
final class GroupMerge<T, K, V> implements Merge<T, Map<K, V>> {

	private final Function<? super T, ? extends K> group;

	private final Function<? super T, ? extends V> value;

	private final BinaryOperator<V> plus;

	private final int perSource;

	private final Map<K, V> sums = new HashMap<>();

	GroupMerge(Function<? super T, ? extends K> group, Function<? super T, ? extends V> value, BinaryOperator<V> plus,
			int perSource) {
		this.group = group;
		this.value = value;
		this.plus = plus;
		this.perSource = perSource;
	}

	@Override
	public Part<Map<K, V>> read(int index, String source, Iterator<? extends T> rows) {
		Map<K, V> own = new HashMap<>();
		long count = 0;
		while (count < this.perSource && rows.hasNext()) {
			T row = rows.next();
			count++;
			own.merge(Objects.requireNonNull(this.group.apply(row), "A row has no group"),
					Objects.requireNonNull(this.value.apply(row), "A row has nothing to be summed up"), this.plus);
		}
		return new Part<>(own, count);
	}

	@Override
	public void add(Map<K, V> part) {
		Map<K, V> changed = new HashMap<>();
		part.forEach((group, value) -> {
			V former = this.sums.get(group);
			changed.put(group, (former != null)
					? Objects.requireNonNull(this.plus.apply(former, value), "Two sums have no sum") : value);
		});
		this.sums.putAll(changed);
	}

	Map<K, V> sums() {
		return Collections.unmodifiableMap(this.sums);
	}

}
