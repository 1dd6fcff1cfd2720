package io.multidb.sample.chats;

import java.util.List;

import jakarta.validation.Valid;

import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;

/**
 * Chats over HTTP.
 */
@RestController
@RequestMapping("/chats/{id}/messages")
class ChatController {

	private final ChatService chats;

	ChatController(ChatService chats) {
		this.chats = chats;
	}

	@PostMapping
	@ResponseStatus(HttpStatus.CREATED)
	void post(@PathVariable String id, @Valid @RequestBody Message message) {
		this.chats.post(id, message);
	}

	@GetMapping
	List<Message> messages(@PathVariable String id) {
		return this.chats.messages(id);
	}

}
