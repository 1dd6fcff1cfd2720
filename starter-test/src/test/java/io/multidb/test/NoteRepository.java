package io.multidb.test;

import org.springframework.data.repository.CrudRepository;

interface NoteRepository extends CrudRepository<Note, Long> {

}
