package io.multidb.discovery;

import java.sql.DriverManager;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/**
 * Tests for {@link DatabaseUrl}.
 */
class DatabaseUrlTests {

	@ParameterizedTest
	@CsvSource(quoteCharacter = '"',
			textBlock = """
					postgresql://ann:pa%40ss@host:5433/db?sslmode=require, jdbc:postgresql://host:5433/db?sslmode=require, ann, pa@ss
					postgres://ann:s%3Ae%2Fc%23r%3Ft@host/db, jdbc:postgresql://host/db, ann, s:e/c#r?t
					POSTGRES://ann@host/db, jdbc:postgresql://host/db, ann,
					postgres://host/db, jdbc:postgresql://host/db, ,
					postgres://ann:@host/db, jdbc:postgresql://host/db, ann, ""
					postgres://ann:a:b@host/db, jdbc:postgresql://host/db, ann, a:b
					postgres://ann:a+b%25@host/db, jdbc:postgresql://host/db, ann, a+b%
					postgres://%C3%A1nn:p@host/db, jdbc:postgresql://host/db, ánn, p
					postgres://ann:p@[::1]:5433/db, jdbc:postgresql://[::1]:5433/db, ann, p
					"postgres://ann:p@a:5432,b/db", "jdbc:postgresql://a:5432,b/db", ann, p
					postgres://ann:p@host/a%20b%2Bc, jdbc:postgresql://host/a%20b%2Bc, ann, p
					postgres://host/db?user=ann&password=p%26q&sslmode=require, jdbc:postgresql://host/db?sslmode=require, ann, p&q
					postgres://ann:p@host/shop_{id}, jdbc:postgresql://host/shop_{id}, ann, p
					postgres://host/db?, jdbc:postgresql://host/db, ,
					postgres://host/db?connect_timeout=3&channel_binding=require, jdbc:postgresql://host/db?connectTimeout=3&channelBinding=require, ,
					postgres://host/db?target_session_attrs=read-write, jdbc:postgresql://host/db?targetServerType=primary, ,
					postgres://host/db?options=-c%20search_path%3Da, jdbc:postgresql://host/db?options=-c%20search_path%3Da, ,
					mysql://ann:p@host:3306/db?reconnect=true, jdbc:mysql://host:3306/db?reconnect=true, ann, p
					mariadb://ann:p@host/db, jdbc:mariadb://host/db, ann, p
					sqlite:data/a.db, jdbc:sqlite:data/a.db, ,
					sqlite:/var/a b.db, jdbc:sqlite:/var/a b.db, ,
					jdbc:postgresql://host/db?user=ann, jdbc:postgresql://host/db?user=ann, ,
					""")
	void aTextIsRead(String text, String url, String user, String password) {
		assertThat(DatabaseUrl.parse(text)).isEqualTo(new DatabaseUrl(url, user, password));
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			postgres://ann:topsecret@a@host/db          | more than one '@'
			postgres://ann:top/secret@host/db           | written %3A, %2F
			postgres://ann:top#secret@host/db           | written %23
			postgres://ann:top?secret@host/db           | written %3A, %2F
			postgres://ann:topsecret%4@host/db          | without two hexadecimal digits
			postgres://ann:topsecret%zz@host/db         | without two hexadecimal digits
			postgres://ann:topsecret%ff@host/db         | no UTF-8
			postgres://ann:topsecret%00@host/db         | %00
			postgres://ann:topsecret@host               | names no database
			postgres://ann:topsecret@host/              | names no database
			postgres://ann:topsecret@host/a/b           | has a '/'
			postgres://ann:topsecret@/db                | no host
			postgres://ann:topsecret@host:0/db          | port 0
			postgres://ann:topsecret@host:70000/db      | port 70000
			postgres://ann:topsecret@host:/db           | no number
			postgres://ann:topsecret@a,/db              | a host that is none
			postgres://ann:topsecret@ho st/db           | white space
			postgres:ann:topsecret@host/db              | no '//'
			postgres://ann:topsecret@host/db?user=bob   | gives the user twice
			postgres://ann:topsecret@host/db?password=x | gives the password twice
			postgres://ann:topsecret@host/db?host=other | belong before the '?'
			postgres://ann:topsecret@host/db?=x         | without a name
			postgres://host/db?target_session_attrs=x   | none of any
			sqlite:///data/a.db                         | relative path
			sqlite://data/a.db                          | relative path
			sqlite:                                     | names no file
			oracle://ann:topsecret@host/db              | must begin with
			topsecret                                   | must begin with
			''                                          | must begin with
			""")
	void whatIsNotClearIsRefusedWithoutSecrets(String text, String why) {
		assertThatIllegalArgumentException().isThrownBy(() -> DatabaseUrl.parse(text))
			.withMessageContaining(why)
			.withMessageNotContaining("topsecret")
			.withNoCause();
	}

	@ParameterizedTest
	@ValueSource(strings = { "postgres://ann:p@[::1]:5433/db", "postgres://ann:p@a:5432,b/d%20b?sslmode=require",
			"sqlite:data/a.db" })
	void theDriverAcceptsIt(String text) throws Exception {
		assertThat(DriverManager.getDriver(DatabaseUrl.parse(text).jdbcUrl())).isNotNull();
	}

	@Test
	void aPasswordIsNotShown() {
		assertThat(DatabaseUrl.parse("postgres://ann:topsecret@host/db").toString()).doesNotContain("topsecret")
			.contains("ann", "host/db");
	}

}
