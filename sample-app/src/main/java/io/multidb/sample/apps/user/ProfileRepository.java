package io.multidb.sample.apps.user;

import java.util.List;

import org.springframework.data.repository.Repository;

/**
 * The records of this app, wherever it keeps them.
 */
interface ProfileRepository extends Repository<Profile, Long> {

	void save(Profile record);

	List<Profile> findAllByOrderById();

}
