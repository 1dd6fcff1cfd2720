package io.multidb.sample.courts;

import java.security.Principal;
import java.util.Optional;

import jakarta.validation.Valid;

import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/**
 * Court search over HTTP.
 */
@RestController
@RequestMapping("/searches")
class SearchController {

	private final SearchService searches;

	SearchController(SearchService searches) {
		this.searches = searches;
	}

	@PostMapping
	Search search(@Valid @RequestBody SearchRequest request, Principal user) {
		return this.searches.search(request.q(), user.getName());
	}

	@GetMapping("/{id}")
	ResponseEntity<Search> search(@PathVariable String id, Principal user) {
		return ResponseEntity.of(Optional.ofNullable(this.searches.find(id, user.getName())));
	}

}
