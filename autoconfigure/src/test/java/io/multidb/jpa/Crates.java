package io.multidb.jpa;

import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;

import jakarta.persistence.LockModeType;

import org.springframework.data.domain.Page;
import org.springframework.data.domain.Pageable;
import org.springframework.data.domain.Slice;
import org.springframework.data.jpa.repository.EntityGraph;
import org.springframework.data.jpa.repository.JpaRepository;
import org.springframework.data.jpa.repository.JpaSpecificationExecutor;
import org.springframework.data.jpa.repository.Lock;
import org.springframework.data.jpa.repository.Modifying;
import org.springframework.data.jpa.repository.Query;
import org.springframework.data.repository.query.Param;
import org.springframework.transaction.annotation.Transactional;

/**
 * One repository for all products.
 */
interface Crates extends JpaRepository<Crate, Long>, JpaSpecificationExecutor<Crate> {

	Optional<Crate> findByCode(String code);

	List<Crate> findByTextContainingOrderByCode(String part);

	List<Crate> findByTextStartingWithIgnoreCaseOrderByCode(String start);

	List<Crate> findByDeliveredTrueOrderByCode();

	List<Crate> findBySentBetween(Instant from, Instant to);

	List<Crate> findByReference(UUID reference);

	List<Crate> findByStatusInOrderByCode(List<Crate.Status> status);

	Page<Crate> findByWeightGreaterThan(int weight, Pageable page);

	Slice<Crate> findByWeightLessThan(int weight, Pageable page);

	List<Crate> findTop2ByOrderByWeightDesc();

	boolean existsByCode(String code);

	@Query("select p from Crate p where p.weight = (select max(q.weight) from Crate q)")
	List<Crate> heaviest();

	@Query(value = "select code from crate where weight > :weight order by code", nativeQuery = true)
	List<String> codesAbove(@Param("weight") int weight);

	List<CodeOnly> findByWeight(int weight);

	@Query("select new io.multidb.jpa.Crates$Label(p.code, p.weight) from Crate p order by p.code")
	List<Label> labels();

	@Query("select p from Crate p order by p.code")
	Stream<Crate> stream();

	@Modifying(clearAutomatically = true)
	@Transactional
	@Query("update Crate p set p.weight = p.weight + 1, p.status = SENT where p.weight >= :weight")
	int makeHeavier(@Param("weight") int weight);

	@Modifying(clearAutomatically = true)
	@Transactional
	@Query("delete from Crate p where p.weight < :weight")
	int deleteLight(@Param("weight") int weight);

	@Transactional
	long deleteByText(String text);

	@Lock(LockModeType.PESSIMISTIC_WRITE)
	@Query("select p from Crate p where p.code = :code")
	Crate lock(@Param("code") String code);

	@EntityGraph(attributePaths = "items")
	@Query("select p from Crate p where p.code = :code")
	Crate withItems(@Param("code") String code);

	/** A projection of Spring Data's. */
	interface CodeOnly {

		String getCode();

	}

	/** A projection of Hibernate's. */
	record Label(String code, int weight) {

	}

}
