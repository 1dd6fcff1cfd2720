package io.multidb.test;

import org.springframework.boot.autoconfigure.SpringBootApplication;

/**
 * What the slices and tests here start.
 */
@SpringBootApplication
class TestApplication {

}
