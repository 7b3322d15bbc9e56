CREATE TABLE schema_version (version BIGINT NOT NULL);
CREATE TABLE vm (
    name TEXT PRIMARY KEY, memory_bytes BIGINT NOT NULL,
    first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL);
CREATE TABLE image (
    id TEXT PRIMARY KEY, image_bytes BIGINT NOT NULL,
    first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL);
CREATE TABLE history (
    id BIGINT PRIMARY KEY, vm TEXT NOT NULL, time BIGINT NOT NULL,
    kind TEXT NOT NULL, outcome TEXT NOT NULL, source TEXT NOT NULL,
    operation TEXT, error TEXT, image TEXT,
    duration_millis BIGINT, guest_runs_millis BIGINT, paused_millis BIGINT,
    image_bytes BIGINT, memory_bytes BIGINT, non_zero_bytes BIGINT,
    stored_bytes BIGINT, duplicate_bytes BIGINT, on_disk_bytes BIGINT,
    demanded_pages BIGINT, prefetched_pages BIGINT,
    demand_micros_p50 BIGINT, demand_micros_p99 BIGINT, responsive_millis_estimate BIGINT);
CREATE INDEX history_of_vm ON history (vm, id);
CREATE TABLE visit (
    id BIGINT PRIMARY KEY, vm TEXT NOT NULL, front TEXT NOT NULL, peer TEXT NOT NULL, time BIGINT NOT NULL,
    reached_millis BIGINT, first_bytes_millis BIGINT, duration_millis BIGINT NOT NULL, error TEXT);
CREATE INDEX visit_of_vm ON visit (vm, id);
CREATE TABLE host_sample (
    time BIGINT PRIMARY KEY, vms BIGINT NOT NULL, awake_vms BIGINT NOT NULL, awake_bytes BIGINT NOT NULL,
    given_back_bytes BIGINT NOT NULL, image_bytes BIGINT NOT NULL);
INSERT INTO schema_version VALUES (1);
INSERT INTO schema_version VALUES (2);
INSERT INTO vm VALUES ('web', 67108864, 1764000000000, 1764000060000);
INSERT INTO image VALUES ('web-20251124-160000', 4000000, 1764000000000, 1764000060000);
INSERT INTO history VALUES (1, 'web', 1764000000000, 'suspend', 'succeeded', 'daemon', 'op-1', NULL, 'web-20251124-160000', 2000, NULL, 300, 4000000, 67108864, 30000000, 20000000, 5000000, 5000000, NULL, NULL, NULL, NULL, NULL);
INSERT INTO history VALUES (2, 'web', 1764000060000, 'resume', 'succeeded', 'daemon', 'op-2', NULL, NULL, 900, 350, NULL, NULL, 67108864, 30000000, 20000000, 5000000, 5000000, 120, 7000, 210, 1900, 480);
INSERT INTO visit VALUES (1, 'web', 'vnc', '127.0.0.1:4000', 1764000000000, 5, NULL, 9, NULL);
INSERT INTO host_sample VALUES (1764000000000, 3, 1, 1, 2, 3);
