package io.multidb.migration;

import liquibase.change.custom.CustomTaskChange;
import liquibase.database.Database;
import liquibase.exception.ValidationErrors;
import liquibase.resource.ResourceAccessor;

/**
 * A change that throws an Error while it is told to.
 */
public final class FailingChange implements CustomTaskChange {

	static volatile boolean fails;

	@Override
	public void execute(Database database) {
		if (fails) {
			throw new NoClassDefFoundError("gone");
		}
	}

	@Override
	public String getConfirmationMessage() {
		return "went on";
	}

	@Override
	public void setUp() {
		// Nothing is needed.
	}

	@Override
	public void setFileOpener(ResourceAccessor resourceAccessor) {
		// Nothing is read.
	}

	@Override
	public ValidationErrors validate(Database database) {
		return new ValidationErrors();
	}

}
