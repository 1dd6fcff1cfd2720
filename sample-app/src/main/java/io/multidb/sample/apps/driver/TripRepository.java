package io.multidb.sample.apps.driver;

import java.util.List;

import org.springframework.data.repository.Repository;

/**
 * The records of this app, wherever it keeps them.
 */
interface TripRepository extends Repository<Trip, Long> {

	void save(Trip record);

	List<Trip> findAllByOrderById();

}
