package io.multidb.sample.elections;

import java.util.Map;

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
 * Elections over HTTP. A vote is checked before the service is called, so that a bad
 * request makes no database.
 */
@RestController
@RequestMapping("/elections/{id}")
class ElectionController {

	private final ElectionService elections;

	ElectionController(ElectionService elections) {
		this.elections = elections;
	}

	@PostMapping("/votes")
	@ResponseStatus(HttpStatus.CREATED)
	void vote(@PathVariable String id, @Valid @RequestBody VoteRequest vote) {
		this.elections.vote(id, vote.candidate());
	}

	@GetMapping("/results")
	Map<String, Long> results(@PathVariable String id) {
		return this.elections.results(id);
	}

}
