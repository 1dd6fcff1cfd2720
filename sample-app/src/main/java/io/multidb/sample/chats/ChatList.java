package io.multidb.sample.chats;

import java.util.List;

import io.multidb.fanout.SourceOutcome;

/**
 * All chats, of every source.
 *
 * @param chats the chats, in the order of their ids
 * @param sources what became of each source; chats of one that has not answered are
 * missing
 */
record ChatList(List<Chat> chats, List<SourceOutcome> sources) {

	/**
	 * A chat.
	 *
	 * @param id its id
	 * @param messages how many messages it has
	 */
	record Chat(String id, long messages) {
	}

}
