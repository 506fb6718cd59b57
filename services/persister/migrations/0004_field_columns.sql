-- What a submission says and `tasks` keeps in a shorter form, under the names that submissions have for it. Made when it is read.
ALTER TABLE tasks
	ADD COLUMN /*M! IF NOT EXISTS */ hold BOOLEAN AS (LOCATE('h', flags) > 0) VIRTUAL;
ALTER TABLE tasks
	ADD COLUMN /*M! IF NOT EXISTS */ on_dependency_failure VARCHAR(5) CHARACTER SET ascii COLLATE ascii_bin AS (IF(LOCATE('b', flags) > 0, 'block', IF(LOCATE('r', flags) > 0, 'run', 'skip'))) VIRTUAL;
ALTER TABLE tasks
	ADD COLUMN /*M! IF NOT EXISTS */ retry_backoff VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin AS (CONCAT('{"initial_ms":', SUBSTRING_INDEX(IF(backoff = '', '1000,2,60000', backoff), ',', 1), ',"factor":', SUBSTRING_INDEX(SUBSTRING_INDEX(IF(backoff = '', '1000,2,60000', backoff), ',', 2), ',', -1), ',"max_ms":', SUBSTRING_INDEX(IF(backoff = '', '1000,2,60000', backoff), ',', -1), '}')) VIRTUAL;
