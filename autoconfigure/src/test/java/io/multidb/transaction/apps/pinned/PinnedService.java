package io.multidb.transaction.apps.pinned;

import io.multidb.transaction.apps.auth.AuthService;

/** Of the tenant that its package-info names. */
public class PinnedService extends AuthService {

}
