package io.multidb.transaction.apps.pinned.below;

import io.multidb.Target;

/** Below a package that is annotated, which says nothing of it. */
public class BelowService {

	public String target() {
		return Target.current().toString();
	}

}
