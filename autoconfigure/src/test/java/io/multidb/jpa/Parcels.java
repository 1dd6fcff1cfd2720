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
interface Parcels extends JpaRepository<Parcel, Long>, JpaSpecificationExecutor<Parcel> {

	Optional<Parcel> findByCode(String code);

	List<Parcel> findByTextContainingOrderByCode(String part);

	List<Parcel> findByTextStartingWithIgnoreCaseOrderByCode(String start);

	List<Parcel> findByDeliveredTrueOrderByCode();

	List<Parcel> findBySentBetween(Instant from, Instant to);

	List<Parcel> findByReference(UUID reference);

	List<Parcel> findByStatusInOrderByCode(List<Parcel.Status> status);

	Page<Parcel> findByWeightGreaterThan(int weight, Pageable page);

	Slice<Parcel> findByWeightLessThan(int weight, Pageable page);

	List<Parcel> findTop2ByOrderByWeightDesc();

	boolean existsByCode(String code);

	@Query("select p from Parcel p where p.weight = (select max(q.weight) from Parcel q)")
	List<Parcel> heaviest();

	@Query(value = "select code from parcel where weight > :weight order by code", nativeQuery = true)
	List<String> codesAbove(@Param("weight") int weight);

	List<CodeOnly> findByWeight(int weight);

	@Query("select new io.multidb.jpa.Parcels$Label(p.code, p.weight) from Parcel p order by p.code")
	List<Label> labels();

	@Query("select p from Parcel p order by p.code")
	Stream<Parcel> stream();

	@Modifying(clearAutomatically = true)
	@Transactional
	@Query("update Parcel p set p.weight = p.weight + 1, p.status = SENT where p.weight >= :weight")
	int makeHeavier(@Param("weight") int weight);

	@Modifying(clearAutomatically = true)
	@Transactional
	@Query("delete from Parcel p where p.weight < :weight")
	int deleteLight(@Param("weight") int weight);

	@Transactional
	long deleteByText(String text);

	@Lock(LockModeType.PESSIMISTIC_WRITE)
	@Query("select p from Parcel p where p.code = :code")
	Parcel lock(@Param("code") String code);

	@EntityGraph(attributePaths = "items")
	@Query("select p from Parcel p where p.code = :code")
	Parcel withItems(@Param("code") String code);

	/** A projection of Spring Data's. */
	interface CodeOnly {

		String getCode();

	}

	/** A projection of Hibernate's. */
	record Label(String code, int weight) {

	}

}
