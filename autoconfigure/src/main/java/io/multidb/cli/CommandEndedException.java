package io.multidb.cli;

import java.io.Serial;

import org.springframework.boot.ExitCodeGenerator;
import org.springframework.boot.SpringApplication;

/**
 * A command of the command line was run in place of the application, where the process
 * goes on all the same: {@link SpringApplication#run} throws it in a test.
 */
public final class CommandEndedException extends SpringApplication.AbandonedRunException implements ExitCodeGenerator {

	@Serial
	private static final long serialVersionUID = 1L;

	private final int exitCode;

	/**
	 * Creates the exception.
	 * @param exitCode with which the process would have ended
	 */
	public CommandEndedException(int exitCode) {
		this.exitCode = exitCode;
	}

	@Override
	public int getExitCode() {
		return this.exitCode;
	}

	@Override
	public String getMessage() {
		return "The command ended with exit code " + this.exitCode + "; in a process of its own that had ended, too.";
	}

}
