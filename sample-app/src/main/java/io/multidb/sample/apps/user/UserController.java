package io.multidb.sample.apps.user;

import java.util.List;

import io.multidb.sample.apps.Entry;
import jakarta.validation.Valid;

import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;

/**
 * The app over HTTP.
 */
@RestController
@RequestMapping("/apps/user/records")
class UserController {

	private final ProfileRepository records;

	UserController(ProfileRepository records) {
		this.records = records;
	}

	@PostMapping
	@ResponseStatus(HttpStatus.CREATED)
	void add(@Valid @RequestBody Entry entry) {
		this.records.save(new Profile(entry.text()));
	}

	@GetMapping
	List<Entry> records() {
		return this.records.findAllByOrderById().stream().map(Profile::toEntry).toList();
	}

}
