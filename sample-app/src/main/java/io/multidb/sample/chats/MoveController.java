package io.multidb.sample.chats;

import jakarta.validation.Valid;
import jakarta.validation.constraints.NotBlank;

import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PutMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/**
 * Where a chat is, over HTTP. To put another source there moves it.
 */
@RestController
@RequestMapping("/chats/{id}/source")
class MoveController {

	private final MoveService moves;

	MoveController(MoveService moves) {
		this.moves = moves;
	}

	/**
	 * Where a chat is.
	 *
	 * @param source the source's name
	 */
	record Place(@NotBlank String source) {
	}

	@GetMapping
	Place place(@PathVariable String id) {
		return new Place(this.moves.sourceOf(id));
	}

	@PutMapping
	Place move(@PathVariable String id, @Valid @RequestBody Place place) {
		this.moves.move(id, place.source());
		return place(id);
	}

}
