package io.multidb.transaction.apps.driver;

import io.multidb.transaction.apps.auth.AuthService;

/** Of {@code driver}, whatever it inherits. */
public class DriverService extends AuthService {

}
