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
	 */
	@Tenant("'chat-' + #id")
	@Transactional
	public void post(String id, Message message) {
		this.jdbc.sql("INSERT INTO message (chat, text) VALUES (?, ?)").params(id, message.text()).update();
	}

	/**
	 * All messages of a chat.
	 * @param id the chat
	 * @return the messages, oldest first; none if the chat has none
	 */
	@Tenant("'chat-' + #id")
	@Transactional(readOnly = true)
	public List<Message> messages(String id) {
		return this.jdbc.sql("SELECT text FROM message WHERE chat = ? ORDER BY id")
			.param(id)
			.query((row, number) -> new Message(row.getString("text")))
			.list();
	}

}
