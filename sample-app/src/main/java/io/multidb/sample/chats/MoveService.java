package io.multidb.sample.chats;

import java.util.List;

import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
import io.multidb.routing.Routes;
import io.multidb.routing.TenantMappings;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;

import org.springframework.stereotype.Service;

/**
 * Moves a chat to another source: nobody may write to it any more, its messages are
 * copied and compared, the chat is mapped to the new source, everybody may write to it
 * there, and the old messages are deleted.
 * <p>
 * Whenever that ends in the middle, all messages are where the chat is mapped to. It
 * takes no new ones until the same move is asked for again, which finishes it. Processes
 * may do so at the same time.
 */
@Service
class MoveService {

	private final MoveSteps steps;

	private final Routes routes;

	private final TenantMappings mappings;

	private final ChatSources sources;

	private final SourceRegistry registry;

	MoveService(MoveSteps steps, Routes routes, TenantMappings mappings, ChatSources sources, SourceRegistry registry) {
		this.steps = steps;
		this.routes = routes;
		this.mappings = mappings;
		this.sources = sources;
		this.registry = registry;
	}

	/**
	 * The source of a chat.
	 * @param id the chat
	 * @return the source's name
	 */
	String sourceOf(String id) {
		return this.routes.resolve(tenant(id)).name();
	}

	/**
	 * Moves a chat, or finishes that; one that is there already stays.
	 * @param id the chat
	 * @param to the name of a source that keeps chats
	 */
	void move(String id, String to) {
		String tenant = tenant(id);
		if (!keepsChats(this.registry.get(to))) {
			throw new UnknownSourceException(to, "It keeps no chats: those that do have 'attributes.chats: true'.");
		}
		this.sources.refresh();
		String from = sourceOf(id);
		if (!from.equals(to)) {
			this.steps.refuseUnlessFree(to, id);
			String move = this.steps.leave(from, id, to);
			List<String> messages = this.steps.read(from, id, move);
			this.steps.arrive(to, id, from, move, messages);
			this.mappings.map(tenant, to);
		}
		finish(id, to);
	}

	private void finish(String id, String to) {
		String move = this.steps.open(to, id);
		if (move == null) {
			return;
		}
		for (Source source : this.registry.sources()) {
			if (keepsChats(source) && !source.name().equals(to)) {
				this.steps.clear(source.name(), id, move);
			}
		}
	}

	private static boolean keepsChats(Source source) {
		return "true".equals(source.definition().attributes().get("chats"));
	}

	private static String tenant(String id) {
		return TenantContext.check("chat-" + id);
	}

}
