--liquibase formatted sql

--changeset multidb:tables endDelimiter:;
CREATE TABLE IF NOT EXISTS ${prefix}revision (
	id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
	revision BIGINT NOT NULL,
	source_removed BIGINT NOT NULL,
	permission_removed BIGINT NOT NULL,
	mapping_removed BIGINT NOT NULL
);
INSERT INTO ${prefix}revision SELECT 1, 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM ${prefix}revision);
CREATE TABLE IF NOT EXISTS ${prefix}source (
	name VARCHAR(64) NOT NULL PRIMARY KEY,
	display_name VARCHAR(200),
	url VARCHAR(2000) NOT NULL,
	username VARCHAR(200),
	password VARCHAR(4000),
	type VARCHAR(100),
	jurisdiction VARCHAR(200),
	attributes TEXT,
	active BOOLEAN DEFAULT TRUE NOT NULL,
	searchable BOOLEAN DEFAULT TRUE NOT NULL,
	read_only BOOLEAN DEFAULT FALSE NOT NULL,
	revision BIGINT DEFAULT 0 NOT NULL
);
CREATE INDEX IF NOT EXISTS ${prefix}source_revision ON ${prefix}source (revision);
CREATE TABLE IF NOT EXISTS ${prefix}permission (
	source VARCHAR(64) NOT NULL,
	user_name VARCHAR(200) NOT NULL,
	permission VARCHAR(20) NOT NULL,
	granted_by VARCHAR(200),
	granted_at VARCHAR(40),
	revision BIGINT DEFAULT 0 NOT NULL,
	PRIMARY KEY (source, user_name)
);
CREATE INDEX IF NOT EXISTS ${prefix}permission_revision ON ${prefix}permission (revision);
CREATE TABLE IF NOT EXISTS ${prefix}mapping (
	tenant VARCHAR(64) NOT NULL PRIMARY KEY,
	source VARCHAR(64) NOT NULL,
	revision BIGINT DEFAULT 0 NOT NULL
);
CREATE INDEX IF NOT EXISTS ${prefix}mapping_revision ON ${prefix}mapping (revision);

--changeset multidb:triggers-postgresql dbms:postgresql endDelimiter:@@
--comment The revision's row is locked until the transaction ends, so that revisions are committed in their order
CREATE OR REPLACE FUNCTION ${prefix}begin() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1;
	RETURN NULL;
END $$
@@
CREATE OR REPLACE FUNCTION ${prefix}stamp() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	NEW.revision := (SELECT revision FROM ${prefix}revision);
	RETURN NEW;
END $$
@@
CREATE OR REPLACE FUNCTION ${prefix}tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('${prefix}changed', '');
	RETURN NULL;
END $$
@@
DROP TRIGGER IF EXISTS ${prefix}tell ON ${prefix}revision
@@
CREATE TRIGGER ${prefix}tell AFTER UPDATE ON ${prefix}revision FOR EACH STATEMENT EXECUTE FUNCTION ${prefix}tell()
@@
CREATE OR REPLACE FUNCTION ${prefix}source_gone() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1, source_removed = revision + 1;
	RETURN NULL;
END $$
@@
DROP TRIGGER IF EXISTS ${prefix}begin ON ${prefix}source
@@
CREATE TRIGGER ${prefix}begin BEFORE INSERT OR UPDATE ON ${prefix}source FOR EACH STATEMENT EXECUTE FUNCTION ${prefix}begin()
@@
DROP TRIGGER IF EXISTS ${prefix}stamp ON ${prefix}source
@@
CREATE TRIGGER ${prefix}stamp BEFORE INSERT OR UPDATE ON ${prefix}source FOR EACH ROW EXECUTE FUNCTION ${prefix}stamp()
@@
DROP TRIGGER IF EXISTS ${prefix}gone ON ${prefix}source
@@
CREATE TRIGGER ${prefix}gone BEFORE DELETE OR TRUNCATE OR UPDATE OF name ON ${prefix}source FOR EACH STATEMENT EXECUTE FUNCTION ${prefix}source_gone()
@@
CREATE OR REPLACE FUNCTION ${prefix}permission_gone() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1, permission_removed = revision + 1;
	RETURN NULL;
END $$
@@
DROP TRIGGER IF EXISTS ${prefix}begin ON ${prefix}permission
@@
CREATE TRIGGER ${prefix}begin BEFORE INSERT OR UPDATE ON ${prefix}permission FOR EACH STATEMENT EXECUTE FUNCTION ${prefix}begin()
@@
DROP TRIGGER IF EXISTS ${prefix}stamp ON ${prefix}permission
@@
CREATE TRIGGER ${prefix}stamp BEFORE INSERT OR UPDATE ON ${prefix}permission FOR EACH ROW EXECUTE FUNCTION ${prefix}stamp()
@@
DROP TRIGGER IF EXISTS ${prefix}gone ON ${prefix}permission
@@
CREATE TRIGGER ${prefix}gone BEFORE DELETE OR TRUNCATE OR UPDATE OF source, user_name ON ${prefix}permission FOR EACH STATEMENT EXECUTE FUNCTION ${prefix}permission_gone()
@@
CREATE OR REPLACE FUNCTION ${prefix}mapping_gone() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1, mapping_removed = revision + 1;
	RETURN NULL;
END $$
@@
DROP TRIGGER IF EXISTS ${prefix}begin ON ${prefix}mapping
@@
CREATE TRIGGER ${prefix}begin BEFORE INSERT OR UPDATE ON ${prefix}mapping FOR EACH STATEMENT EXECUTE FUNCTION ${prefix}begin()
@@
DROP TRIGGER IF EXISTS ${prefix}stamp ON ${prefix}mapping
@@
CREATE TRIGGER ${prefix}stamp BEFORE INSERT OR UPDATE ON ${prefix}mapping FOR EACH ROW EXECUTE FUNCTION ${prefix}stamp()
@@
DROP TRIGGER IF EXISTS ${prefix}gone ON ${prefix}mapping
@@
CREATE TRIGGER ${prefix}gone BEFORE DELETE OR TRUNCATE OR UPDATE OF tenant ON ${prefix}mapping FOR EACH STATEMENT EXECUTE FUNCTION ${prefix}mapping_gone()
@@

--changeset multidb:triggers-sqlite dbms:sqlite endDelimiter:@@
CREATE TRIGGER IF NOT EXISTS ${prefix}source_inserted AFTER INSERT ON ${prefix}source BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1;
	UPDATE ${prefix}source SET revision = (SELECT revision FROM ${prefix}revision) WHERE name = NEW.name;
END
@@
CREATE TRIGGER IF NOT EXISTS ${prefix}source_updated AFTER UPDATE OF name, display_name, url, username, password, type, jurisdiction, attributes, active, searchable, read_only ON ${prefix}source BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1;
	UPDATE ${prefix}source SET revision = (SELECT revision FROM ${prefix}revision) WHERE name = NEW.name;
END
@@
CREATE TRIGGER IF NOT EXISTS ${prefix}source_renamed AFTER UPDATE OF name ON ${prefix}source WHEN OLD.name <> NEW.name BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1, source_removed = revision + 1;
END
@@
CREATE TRIGGER IF NOT EXISTS ${prefix}source_deleted AFTER DELETE ON ${prefix}source BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1, source_removed = revision + 1;
END
@@
CREATE TRIGGER IF NOT EXISTS ${prefix}permission_inserted AFTER INSERT ON ${prefix}permission BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1;
	UPDATE ${prefix}permission SET revision = (SELECT revision FROM ${prefix}revision) WHERE source = NEW.source AND user_name = NEW.user_name;
END
@@
CREATE TRIGGER IF NOT EXISTS ${prefix}permission_updated AFTER UPDATE OF source, user_name, permission, granted_by, granted_at ON ${prefix}permission BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1;
	UPDATE ${prefix}permission SET revision = (SELECT revision FROM ${prefix}revision) WHERE source = NEW.source AND user_name = NEW.user_name;
END
@@
CREATE TRIGGER IF NOT EXISTS ${prefix}permission_renamed AFTER UPDATE OF source, user_name ON ${prefix}permission WHEN OLD.source <> NEW.source OR OLD.user_name <> NEW.user_name BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1, permission_removed = revision + 1;
END
@@
CREATE TRIGGER IF NOT EXISTS ${prefix}permission_deleted AFTER DELETE ON ${prefix}permission BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1, permission_removed = revision + 1;
END
@@
CREATE TRIGGER IF NOT EXISTS ${prefix}mapping_inserted AFTER INSERT ON ${prefix}mapping BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1;
	UPDATE ${prefix}mapping SET revision = (SELECT revision FROM ${prefix}revision) WHERE tenant = NEW.tenant;
END
@@
CREATE TRIGGER IF NOT EXISTS ${prefix}mapping_updated AFTER UPDATE OF tenant, source ON ${prefix}mapping BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1;
	UPDATE ${prefix}mapping SET revision = (SELECT revision FROM ${prefix}revision) WHERE tenant = NEW.tenant;
END
@@
CREATE TRIGGER IF NOT EXISTS ${prefix}mapping_renamed AFTER UPDATE OF tenant ON ${prefix}mapping WHEN OLD.tenant <> NEW.tenant BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1, mapping_removed = revision + 1;
END
@@
CREATE TRIGGER IF NOT EXISTS ${prefix}mapping_deleted AFTER DELETE ON ${prefix}mapping BEGIN
	UPDATE ${prefix}revision SET revision = revision + 1, mapping_removed = revision + 1;
END
@@

--changeset multidb:places endDelimiter:;
--comment Nobody keeps all of it in memory, so it has no revision
CREATE TABLE IF NOT EXISTS ${prefix}place_list (
	source VARCHAR(64) NOT NULL PRIMARY KEY,
	generation INTEGER NOT NULL,
	complete INTEGER NOT NULL,
	sources TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS ${prefix}place (
	tenant VARCHAR(64) NOT NULL PRIMARY KEY,
	source VARCHAR(64) NOT NULL
);
CREATE INDEX IF NOT EXISTS ${prefix}place_source ON ${prefix}place (source);
