package io.multidb.test;

/**
 * A tenant that lives for one test.
 *
 * @param id its id
 * @param deletion deletes its database, if one was made
 */
record NewTenant(String id, Deletion deletion) {

	@FunctionalInterface
	interface Deletion {

		void run() throws Exception;

	}

	void delete() throws Exception {
		this.deletion.run();
	}

}
