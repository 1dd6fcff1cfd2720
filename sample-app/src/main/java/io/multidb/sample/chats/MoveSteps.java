package io.multidb.sample.chats;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;

import io.multidb.UseSource;
import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.stereotype.Component;
import org.springframework.transaction.annotation.Transactional;

/**
 * What is done in one source while a chat is moved, each step in one transaction. Every
 * step may be repeated, by another process too.
 */
@Component
class MoveSteps {

	private final JdbcClient jdbc;

	MoveSteps(JdbcClient jdbc) {
		this.jdbc = jdbc;
	}

	/**
	 * A chat as a source has it.
	 *
	 * @param state here, leaving, gone or arriving
	 * @param move which move that belongs to; {@code null} if it was never moved
	 * @param other where it goes or comes from
	 */
	record Chat(String state, @Nullable String move, @Nullable String other) {

		boolean is(String state, String move) {
			return this.state.equals(state) && move.equals(this.move);
		}

	}

	/** Before anything is changed: a chat of the same id is not to be overwritten. */
	@UseSource("#source")
	@Transactional(readOnly = true)
	public void refuseUnlessFree(String source, String id) {
		Chat chat = chat(id);
		if ((chat != null) ? chat.state().equals("here") : !messages(id).isEmpty()) {
			throw new MoveRefusedException("Source '" + source + "' has a chat '" + id + "' of its own.");
		}
	}

	/**
	 * Lets nobody write to a chat any more; waits for those who do.
	 * @return which move this is
	 */
	@UseSource("#source")
	@Transactional
	public String leave(String source, String id, String to) {
		String move = UUID.randomUUID().toString();
		int unused = this.jdbc.sql("INSERT INTO chat (id, state) VALUES (?, 'here') ON CONFLICT DO NOTHING")
			.param(id)
			.update();
		int left = this.jdbc
			.sql("UPDATE chat SET state = 'leaving', move = ?, other = ? WHERE id = ? AND state = 'here'")
			.params(move, to, id)
			.update();
		if (left > 0) {
			return move;
		}
		Chat chat = chat(id);
		if (chat == null || !chat.state().equals("leaving") || chat.move() == null || !to.equals(chat.other())) {
			throw new MoveRefusedException("Chat '" + id + "' is being moved already: in '" + source + "' it is "
					+ ((chat != null) ? chat.state() + ", the other source is '" + chat.other() + "'" : "gone")
					+ ". Have that move finished first.");
		}
		return chat.move();
	}

	/** All messages of a chat that is leaving. */
	@UseSource("#source")
	@Transactional(readOnly = true)
	public List<String> read(String source, String id, String move) {
		List<String> messages = messages(id);
		Chat chat = chat(id);
		// Asked for after the messages: until then, they were there.
		if (chat == null || !chat.is("leaving", move)) {
			throw new ChatMovingException(id);
		}
		return messages;
	}

	/**
	 * Writes a chat's messages where it goes, in place of those of an attempt before, and
	 * compares what is there then.
	 */
	@UseSource("#source")
	@Transactional
	public void arrive(String source, String id, String from, String move, List<String> messages) {
		boolean first = this.jdbc
			.sql("INSERT INTO chat (id, state, move, other) VALUES (?, 'arriving', ?, ?) ON CONFLICT DO NOTHING")
			.params(id, move, from)
			.update() > 0;
		boolean mine = this.jdbc
			.sql("UPDATE chat SET state = 'arriving', move = ?, other = ?"
					+ " WHERE id = ? AND (state = 'gone' OR (state = 'arriving' AND move = ?))")
			.params(move, from, id, move)
			.update() > 0;
		if (!mine) {
			Chat chat = chat(id);
			if (chat != null && chat.is("here", move)) {
				// Another process has finished the same move.
				return;
			}
			throw new MoveRefusedException("Source '" + source + "' has a chat '" + id + "' of its own.");
		}
		if (first && !messages(id).isEmpty()) {
			throw new MoveRefusedException("Source '" + source + "' has messages of a chat '" + id + "' of its own.");
		}
		int unused = this.jdbc.sql("DELETE FROM message WHERE chat = ?").param(id).update();
		for (String text : messages) {
			unused = this.jdbc.sql("INSERT INTO message (chat, text) VALUES (?, ?)").params(id, text).update();
		}
		List<String> arrived = messages(id);
		if (arrived.size() != messages.size() || !digest(arrived).equals(digest(messages))) {
			throw new IllegalStateException("Chat '" + id + "' did not arrive in '" + source + "' as it left '" + from
					+ "': " + arrived.size() + " messages instead of " + messages.size() + ", or others");
		}
	}

	/**
	 * Lets everybody write to a chat again, where it has arrived and is mapped to.
	 * @return which move brought it; {@code null} if none
	 */
	@UseSource("#source")
	@Transactional
	public @Nullable String open(String source, String id) {
		int unused = this.jdbc.sql("UPDATE chat SET state = 'here' WHERE id = ? AND state = 'arriving'")
			.param(id)
			.update();
		Chat chat = chat(id);
		return (chat != null && chat.state().equals("here")) ? chat.move() : null;
	}

	/** Deletes what a move left behind. */
	@UseSource("#source")
	@Transactional
	public void clear(String source, String id, String move) {
		int unused = this.jdbc.sql("UPDATE chat SET state = 'gone' WHERE id = ? AND state = 'leaving' AND move = ?")
			.params(id, move)
			.update();
		unused = this.jdbc
			.sql("DELETE FROM message WHERE chat = ? AND EXISTS (SELECT 1 FROM chat WHERE id = ? AND state = 'gone')")
			.params(id, id)
			.update();
	}

	private @Nullable Chat chat(String id) {
		return this.jdbc.sql("SELECT state, move, other FROM chat WHERE id = ?")
			.param(id)
			.query((row, number) -> new Chat(row.getString("state"), row.getString("move"), row.getString("other")))
			.optional()
			.orElse(null);
	}

	private List<String> messages(String id) {
		return this.jdbc.sql("SELECT text FROM message WHERE chat = ? ORDER BY id")
			.param(id)
			.query((row, number) -> row.getString("text"))
			.list();
	}

	/** Each text with its length, so that none can be taken for two. */
	static String digest(List<String> messages) {
		try {
			MessageDigest digest = MessageDigest.getInstance("SHA-256");
			messages.forEach((text) -> digest.update((text.length() + ":" + text).getBytes(StandardCharsets.UTF_8)));
			return HexFormat.of().formatHex(digest.digest());
		}
		catch (NoSuchAlgorithmException ex) {
			throw new IllegalStateException("Every Java platform has SHA-256", ex);
		}
	}

}
