package io.multidb.sample.chats;

import jakarta.validation.Valid;

import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PutMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/**
 * Settings over HTTP.
 */
@RestController
@RequestMapping("/settings/{name}")
class SettingController {

	private final SettingService settings;

	SettingController(SettingService settings) {
		this.settings = settings;
	}

	@GetMapping
	ResponseEntity<Message> find(@PathVariable String name) {
		return ResponseEntity.of(this.settings.find(name).map(Message::new));
	}

	@PutMapping
	void set(@PathVariable String name, @Valid @RequestBody Message content) {
		this.settings.set(name, content.text());
	}

}
