-- The tables of lamindb 2.12 that are read, with their types and without what is not read.
CREATE TABLE lamindb_user (id integer PRIMARY KEY, uid varchar(8), handle varchar(30), name varchar(150), created_at datetime, updated_at datetime);
CREATE TABLE lamindb_storage (id integer PRIMARY KEY, uid varchar(12), root varchar(255), description text, type varchar(30), region varchar(64), created_by_id integer, created_at datetime, updated_at datetime);
CREATE TABLE lamindb_transform (id integer PRIMARY KEY, uid varchar(16), version_tag varchar(30), key varchar(1024), description text, kind varchar(20), source_code text, hash varchar(22), reference varchar(255), reference_type varchar(25), branch_id integer, created_by_id integer, created_at datetime, updated_at datetime);
CREATE TABLE lamindb_run (id integer PRIMARY KEY, uid varchar(20), name varchar(150), transform_id integer, started_at datetime, finished_at datetime, _is_consecutive bool, reference varchar(255), reference_type varchar(25), branch_id integer, created_by_id integer, created_at datetime, updated_at datetime);
CREATE TABLE lamindb_ulabel (id integer PRIMARY KEY, uid varchar(8), name varchar(150), is_type bool, type_id integer, description text, reference varchar(255), reference_type varchar(25), run_id bigint, branch_id integer, created_by_id integer, created_at datetime, updated_at datetime);
CREATE TABLE lamindb_artifact (id integer PRIMARY KEY, uid varchar(20), version_tag varchar(30), key varchar(1024), _real_key varchar(1024), description text, suffix varchar(30), otype varchar(64), size bigint, hash varchar(22), _hash_type varchar(30), n_files bigint, n_observations bigint, _key_is_virtual bool, _overwrite_versions bool, _aux text, storage_id integer, run_id bigint, branch_id integer, created_by_id integer, created_at datetime, updated_at datetime);
CREATE TABLE lamindb_collection (id integer PRIMARY KEY, uid varchar(20), version_tag varchar(30), key varchar(255), description text, hash varchar(22), reference varchar(255), reference_type varchar(25), meta_artifact_id integer, run_id bigint, branch_id integer, created_by_id integer, created_at datetime, updated_at datetime);
CREATE TABLE lamindb_collectionartifact (id integer PRIMARY KEY, collection_id integer, artifact_id integer);
CREATE TABLE lamindb_artifactulabel (id integer PRIMARY KEY, artifact_id integer, ulabel_id integer);
CREATE TABLE lamindb_collectionulabel (id integer PRIMARY KEY, collection_id integer, ulabel_id integer);
CREATE TABLE lamindb_artifact_recreating_runs (id integer PRIMARY KEY, artifact_id integer, run_id bigint);
CREATE TABLE lamindb_collection_recreating_runs (id integer PRIMARY KEY, collection_id integer, run_id bigint);
CREATE TABLE lamindb_artifact_input_of_runs (id integer PRIMARY KEY, artifact_id integer, run_id bigint);
CREATE TABLE lamindb_collection_input_of_runs (id integer PRIMARY KEY, collection_id integer, run_id bigint);

INSERT INTO lamindb_user VALUES (4, 'userABCD', 'grace', 'Grace', '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678');
INSERT INTO lamindb_storage VALUES (2, 'storageABCDE', '/data/of/grace', NULL, 'local', NULL, 4, '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678');
INSERT INTO lamindb_artifact (id, uid, key, suffix, size, hash, _hash_type, _key_is_virtual, _overwrite_versions, _aux, storage_id, branch_id, created_by_id, created_at, updated_at) VALUES
  (1, 'artifactAAAAAAAA0000', 'a.h5ad', '.h5ad', 5000000000, 'hashA', 'sha1-fl', 1, 0, NULL, 2, 1, 4, '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678'),
  (2, 'artifactBBBBBBBB0000', 'b.h5ad', '.h5ad', 10, 'hashB', 'md5', 0, 0, '{"af": {"0": true}}', 2, 1, 4, '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678'),
  (3, 'artifactCCCCCCCC0000', 'c.h5ad', '.h5ad', 10, 'hashC', 'md5', 1, 0, '{"so": 1}', 2, 1, 4, '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678'),
  (4, 'artifactDDDDDDDD0002', 'd.zarr', '.zarr', 10, 'hashD', 'md5-d', 1, 1, NULL, 2, -1, 4, '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678');
INSERT INTO lamindb_collection (id, uid, version_tag, key, hash, branch_id, created_by_id, created_at, updated_at) VALUES
  (1, 'collectionAAAAAA0000', '1', 'cells', 'hash1', 1, 4, '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678'),
  (2, 'collectionBBBBBB0000', NULL, 'half', 'hash2', 1, 4, '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678');
INSERT INTO lamindb_collectionartifact VALUES (1, 1, 2), (2, 1, 1), (3, 2, 3);
