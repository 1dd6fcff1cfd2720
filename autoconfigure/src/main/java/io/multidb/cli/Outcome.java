package io.multidb.cli;

/**
 * What became of one source.
 *
 * @param name the source's name
 * @param failed whether that is not what was wanted
 * @param text a few words, without secrets
 */
record Outcome(String name, boolean failed, String text) {

	static Outcome done(String name, String text) {
		return new Outcome(name, false, text);
	}

	static Outcome failed(String name, String reason) {
		return new Outcome(name, true, "FAILED: " + reason.strip().replaceAll("\\s*\\R\\s*", " "));
	}

}
