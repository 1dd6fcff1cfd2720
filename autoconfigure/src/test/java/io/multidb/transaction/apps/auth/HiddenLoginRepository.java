package io.multidb.transaction.apps.auth;

import org.springframework.data.repository.CrudRepository;

/** A repository that only its own package sees. */
interface HiddenLoginRepository extends CrudRepository<Login, String> {

}
