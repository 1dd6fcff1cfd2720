create table dossier (title varchar(100) not null);
