package io.multidb.sample.chats;

import java.util.List;

import jakarta.validation.Valid;

import org.springframework.http.HttpStatus;
import org.springframework.http.ProblemDetail;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.ExceptionHandler;
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

	private final ChatSources sources;

	ChatController(ChatService chats, ChatSources sources) {
		this.chats = chats;
		this.sources = sources;
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

	/** Perhaps another process has moved it, and this one does not know yet. */
	@ExceptionHandler
	ResponseEntity<ProblemDetail> moving(ChatMovingException ex) {
		this.sources.refresh();
		return ResponseEntity.status(ex.getStatusCode()).headers(ex.getHeaders()).body(ex.getBody());
	}

}
