package io.multidb.sample.elections;

import java.util.List;

import org.springframework.data.jpa.repository.Query;
import org.springframework.data.repository.Repository;

/**
 * The votes of the current election. It is the same repository on SQLite and on
 * PostgreSQL.
 */
interface VoteRepository extends Repository<Vote, Long> {

	/**
	 * Keeps a vote.
	 * @param vote the vote
	 */
	void save(Vote vote);

	/**
	 * Counts the votes.
	 * @return the count of each candidate who has any, the most first
	 */
	@Query("""
			select v.candidate as candidate, count(v) as votes from Vote v
			group by v.candidate order by count(v) desc, v.candidate""")
	List<Count> countByCandidate();

	/** How many votes a candidate has. */
	interface Count {

		String getCandidate();

		long getVotes();

	}

}
