package io.multidb;

/**
 * What a user wants to do with a source.
 */
public enum Operation {

	/** To read only, on a connection that refuses writes. */
	READ,

	/** To read and to write, to create its database too. */
	WRITE

}
