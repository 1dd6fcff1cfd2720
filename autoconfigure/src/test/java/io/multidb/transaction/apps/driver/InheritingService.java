package io.multidb.transaction.apps.driver;

/** Inherits what says otherwise than its package. */
public class InheritingService extends LisbonService {

}
