package io.multidb.transaction.apps.auth;

import org.springframework.beans.factory.config.BeanPostProcessor;

/** Infrastructure. */
public class AuthPostProcessor implements BeanPostProcessor {

}
