--liquibase formatted sql

--changeset bench:1
create table t1 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t1_name on t1 (name);

--changeset bench:2
create table t2 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t2_name on t2 (name);

--changeset bench:3
create table t3 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t3_name on t3 (name);

--changeset bench:4
create table t4 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t4_name on t4 (name);

--changeset bench:5
create table t5 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t5_name on t5 (name);

--changeset bench:6
create table t6 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t6_name on t6 (name);

--changeset bench:7
create table t7 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t7_name on t7 (name);

--changeset bench:8
create table t8 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t8_name on t8 (name);

--changeset bench:9
create table t9 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t9_name on t9 (name);

--changeset bench:10
create table t10 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t10_name on t10 (name);

--changeset bench:11
create table t11 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t11_name on t11 (name);

--changeset bench:12
create table t12 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t12_name on t12 (name);

--changeset bench:13
create table t13 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t13_name on t13 (name);

--changeset bench:14
create table t14 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t14_name on t14 (name);

--changeset bench:15
create table t15 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t15_name on t15 (name);

--changeset bench:16
create table t16 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t16_name on t16 (name);

--changeset bench:17
create table t17 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t17_name on t17 (name);

--changeset bench:18
create table t18 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t18_name on t18 (name);

--changeset bench:19
create table t19 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t19_name on t19 (name);

--changeset bench:20
create table t20 (id integer primary key, name varchar(100) not null, amount integer, at timestamp);
create index t20_name on t20 (name);
