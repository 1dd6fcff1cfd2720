package io.multidb.sample.apps.auth;

import java.util.List;

import org.springframework.data.repository.Repository;

/**
 * The records of this app, wherever it keeps them.
 */
interface LoginRepository extends Repository<Login, Long> {

	void save(Login record);

	List<Login> findAllByOrderById();

}
