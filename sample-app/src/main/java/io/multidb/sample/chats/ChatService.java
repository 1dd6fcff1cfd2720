package io.multidb.sample.chats;

import java.util.List;

import io.multidb.Tenant;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;

/**
 * Keeps messages. A chat is a tenant and the routes say which database it uses; as many
 * chats share one, a column tells them apart.
 */
@Service
class ChatService {

	private final JdbcClient jdbc;

	ChatService(JdbcClient jdbc) {
		this.jdbc = jdbc;
	}

	/**
	 * Adds a message.
	 * @param id the chat
	 * @param message the message
	 * @throws ChatMovingException while the chat is moved to another source
	 */
	@Tenant("'chat-' + #id")
	@Transactional
	public void post(String id, Message message) {
		refuseUnlessHere(id);
		this.jdbc.sql("INSERT INTO message (chat, text) VALUES (?, ?)").params(id, message.text()).update();
	}

	/**
	 * All messages of a chat.
	 * @param id the chat
	 * @return the messages, oldest first; none if the chat has none
	 * @throws ChatMovingException if the chat has just been moved to another source
	 */
	@Tenant("'chat-' + #id")
	@Transactional(readOnly = true)
	public List<Message> messages(String id) {
		List<Message> messages = this.jdbc.sql("SELECT text FROM message WHERE chat = ? ORDER BY id")
			.param(id)
			.query((row, number) -> new Message(row.getString("text")))
			.list();
		refuseIfGone(id);
		return messages;
	}

	/** Until the end of the transaction: a move waits for it. */
	private void refuseUnlessHere(String id) {
		this.jdbc.sql("INSERT INTO chat (id, state) VALUES (?, 'here') ON CONFLICT DO NOTHING").param(id).update();
		if (this.jdbc.sql("UPDATE chat SET state = 'here' WHERE id = ? AND state = 'here'").param(id).update() == 0) {
			throw new ChatMovingException(id);
		}
	}

	/** Asked after the messages were read: until then, they were there. */
	private void refuseIfGone(String id) {
		if (this.jdbc.sql("SELECT count(*) FROM chat WHERE id = ? AND state = 'gone'")
			.param(id)
			.query(Integer.class)
			.single() > 0) {
			throw new ChatMovingException(id);
		}
	}

}
