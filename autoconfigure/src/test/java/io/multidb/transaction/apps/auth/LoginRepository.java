package io.multidb.transaction.apps.auth;

import java.util.List;

import org.springframework.data.jpa.repository.JpaRepository;

import io.multidb.Tenant;

/** A repository, of {@code auth} by its package. */
public interface LoginRepository extends JpaRepository<Login, String> {

	@Tenant("driver")
	List<Login> findByName(String name);

}
