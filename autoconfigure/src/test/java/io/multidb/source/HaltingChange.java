package io.multidb.source;

import java.util.concurrent.CountDownLatch;

import liquibase.change.custom.CustomTaskChange;
import liquibase.database.Database;
import liquibase.exception.CustomChangeException;
import liquibase.exception.ValidationErrors;
import liquibase.resource.ResourceAccessor;

/**
 * A change that says {@code half} and stops for ever, in processes that want that.
 */
public final class HaltingChange implements CustomTaskChange {

	static volatile boolean halts;

	@Override
	public void execute(Database database) throws CustomChangeException {
		if (halts) {
			System.out.println("half");
			try {
				new CountDownLatch(1).await();
			}
			catch (InterruptedException ex) {
				throw new CustomChangeException(ex);
			}
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
