package io.multidb.test;

import org.springframework.data.repository.CrudRepository;

interface MemoRepository extends CrudRepository<Memo, Long> {

}
