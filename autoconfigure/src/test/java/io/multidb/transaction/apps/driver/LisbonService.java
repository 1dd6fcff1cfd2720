package io.multidb.transaction.apps.driver;

import io.multidb.Target;
import io.multidb.Tenant;

/** Says otherwise than its package. */
@Tenant("lisbon")
public class LisbonService {

	public String target() {
		return Target.current().toString();
	}

}
