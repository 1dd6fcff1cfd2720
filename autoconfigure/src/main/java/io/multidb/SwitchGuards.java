package io.multidb;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The guards of all application contexts of this JVM. Thread-safe: changed under the
 * class's lock by publishing a new array, read without one.
 */
final class SwitchGuards {

	private static volatile SwitchGuard[] guards = {};

	private SwitchGuards() {
	}

	static synchronized void add(SwitchGuard guard) {
		SwitchGuard[] more = Arrays.copyOf(guards, guards.length + 1);
		more[guards.length] = guard;
		guards = more;
	}

	static synchronized void remove(SwitchGuard guard) {
		List<SwitchGuard> fewer = new ArrayList<>(List.of(guards));
		fewer.remove(guard);
		guards = fewer.toArray(new SwitchGuard[0]);
	}

	static void check(Target from, Target to, boolean leaving) {
		for (SwitchGuard guard : guards) {
			guard.check(from, to, leaving);
		}
	}

}
