--liquibase formatted sql
--changeset test:1
create table note (id integer primary key, text varchar(200));
create table big (x blob);
insert into big values (zeroblob(8000000));
