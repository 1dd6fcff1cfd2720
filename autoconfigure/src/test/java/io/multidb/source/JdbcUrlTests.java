package io.multidb.source;

import java.nio.file.Path;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link JdbcUrl}.
 */
class JdbcUrlTests {

	@ParameterizedTest
	@CsvSource({
			"jdbc:postgresql://h/db?user=a&password=s3cret&ssl=true, jdbc:postgresql://h/db?user=a&password=***&ssl=true",
			"jdbc:postgresql://h/db?sslPassword=s3cret, jdbc:postgresql://h/db?sslPassword=***",
			"jdbc:mysql://root:s3cret@h/db, jdbc:mysql://root:***@h/db",
			"jdbc:sqlserver://h;user=a;password=s3cret;x=1, jdbc:sqlserver://h;user=a;password=***;x=1",
			"jdbc:oracle:oci:me/s3cret@db, jdbc:oracle:oci:me/***@db",
			"jdbc:db2://h:50000/db:user=me;password=s3cret;, jdbc:db2://h:50000/db:user=me;password=***;",
			"jdbc:sqlserver://h;password={ti;s3cret};x=1, jdbc:sqlserver://h;password=***;x=1",
			"jdbc:oracle:thin:me/s3cret@h:1521/db, jdbc:oracle:thin:me/***@h:1521/db",
			"jdbc:postgresql://h/db?password=ab;s3cret&x=1, jdbc:postgresql://h/db?password=***&x=1",
			"jdbc:mysql://u:ti/s3cret@h/db, jdbc:mysql://u:***@h/db",
			"jdbc:mysql://root:s3:cr@et@h/db, jdbc:mysql://root:***@h/db",
			"jdbc:sqlite:data/main.db, jdbc:sqlite:data/main.db" })
	void masksSecrets(String url, String masked) {
		assertThat(new JdbcUrl(url).masked()).isEqualTo(masked);
		assertThat(new JdbcUrl(url)).hasToString(masked);
		assertThat(JdbcUrl.mask("cannot connect to " + url)).doesNotContain("s3cret");
	}

	@Test
	void masksSecretsInBrackets() {
		assertThat(new JdbcUrl("jdbc:mysql://(host=h,user=u,password=s3cret)/db").masked())
			.isEqualTo("jdbc:mysql://(host=h,user=u,password=***)/db");
		assertThat(new JdbcUrl("jdbc:mysql://address=(host=h)(password=s3cret)/db").masked())
			.isEqualTo("jdbc:mysql://address=(host=h)(password=***)/db");
	}

	@ParameterizedTest
	@CsvSource({ "jdbc:sqlite:a.db, jdbc:sqlite:./x/../a.db", "jdbc:sqlite:a.db, jdbc:sqlite:a.db?cache=shared",
			"jdbc:postgresql://H/db, jdbc:postgresql://h:5432/db?ssl=true",
			"jdbc:postgresql:db, jdbc:postgresql://localhost/db" })
	void recognisesTheSameDatabase(String one, String other) {
		assertThat(new JdbcUrl(one).databaseKey()).isEqualTo(new JdbcUrl(other).databaseKey());
	}

	@ParameterizedTest
	@CsvSource({ "jdbc:sqlite:a.db, jdbc:sqlite:b.db", "jdbc:postgresql://h/a, jdbc:postgresql://h/b",
			"jdbc:postgresql://h/a, jdbc:postgresql://h:5433/a",
			"jdbc:postgresql://h/a?currentSchema=x, jdbc:postgresql://h/a?currentSchema=y" })
	void tellsDatabasesApart(String one, String other) {
		assertThat(new JdbcUrl(one).databaseKey()).isNotEqualTo(new JdbcUrl(other).databaseKey());
	}

	@ParameterizedTest
	@CsvSource({ "jdbc:postgresql://h:1/db?a=b, db, jdbc:postgresql://h:1/x?a=b",
			"jdbc:postgresql:db, db, jdbc:postgresql:x", "jdbc:postgresql://h/a%2Db, a-b, jdbc:postgresql://h/x",
			"jdbc:postgresql://h/, '', jdbc:postgresql://h/x" })
	void readsAndReplacesTheDatabaseName(String url, String name, String replaced) {
		assertThat(new JdbcUrl(url).databaseName()).isEqualTo(name);
		assertThat(new JdbcUrl(url).withDatabaseName("x").text()).isEqualTo(replaced);
	}

	@Test
	void replacesTheFileAndKeepsTheParameters() {
		assertThat(new JdbcUrl("jdbc:sqlite:a.db?x=1").withSqliteFile(Path.of("b.db")).text())
			.isEqualTo("jdbc:sqlite:b.db?x=1");
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			jdbc:postgresql://DB1/a                                  | db1:5432
			jdbc:postgresql://db1:6432,db2/a?ssl=true                | db1:6432,db2:5432
			jdbc:postgresql:a                                        | localhost:5432
			jdbc:postgresql://me:secret@DB1/a                        | db1:5432
			jdbc:mysql://me:sec/ret@db1/a                            | db1
			jdbc:mysql://me:secret@DB1:3306/a?x=//y                  | db1:3306
			jdbc:sqlserver://db1:1433;databaseName=a                 | db1:1433
			jdbc:oracle:thin:@db1:1521/a                             | db1:1521
			jdbc:oracle:thin:@//db1:1521/a                           | db1:1521
			jdbc:sqlite:a.db                                         |
			jdbc:h2:mem:a                                            |
			""")
	void namesTheServer(String url, String server) {
		assertThat(new JdbcUrl(url).server()).isEqualTo(server);
	}

}
