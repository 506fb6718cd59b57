-- The tables of Corder. Written by the persister alone; anyone may read. A statement ends with a ';' at the end of a line.
-- Names and ids are ASCII and compared byte by byte; times are UTC. `tasks` equals the fold of `task_events`.

-- How far the log has been written down, a row a partition. It moves in the transaction of the rows, by compare-and-set.
CREATE TABLE IF NOT EXISTS log_position (
	partition_id SMALLINT UNSIGNED NOT NULL,
	seq          BIGINT UNSIGNED NOT NULL COMMENT 'last event that is written down',
	entry_id     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the entry that ends with it',
	stream_seq   BIGINT UNSIGNED NOT NULL COMMENT 'the message it was read from: a hint, the stream may be made anew',
	updated_at   DATETIME(6) NOT NULL,
	PRIMARY KEY (partition_id)
) ENGINE=InnoDB;

-- One row a task, as it is now.
CREATE TABLE IF NOT EXISTS tasks (
	partition_id       SMALLINT UNSIGNED NOT NULL,
	number             BIGINT UNSIGNED NOT NULL COMMENT 'seq of the first event: rises with submission',
	project            VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	task_id            VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	task_type          VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
	batch_id           VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
	status             ENUM('blocked','pending','running','retry','completed','failed','cancelled','skipped') NOT NULL,
	version            INT UNSIGNED NOT NULL,
	last_seq           BIGINT UNSIGNED NOT NULL COMMENT 'seq of the last event',
	attempt            INT UNSIGNED NOT NULL,
	retry_count        INT UNSIGNED NOT NULL,
	priority           TINYINT UNSIGNED NOT NULL,
	waits_for          VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''
		COMMENT 'of a blocked task: dependency, time, approval, key',
	created_at         DATETIME(6) NULL,
	updated_at         DATETIME(6) NOT NULL,
	ready_at           DATETIME(6) NULL,
	due_at             DATETIME(6) NULL COMMENT 'when something must be done about it: backoff, lease, not_before',
	started_at         DATETIME(6) NULL COMMENT 'of the last try',
	finished_at        DATETIME(6) NULL,
	actual_duration    DOUBLE AS (TIMESTAMPDIFF(MICROSECOND, started_at, finished_at) / 1000000) VIRTUAL COMMENT 's',
	worker             VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'of the last try',
	lease              VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'of a running task',
	lease_until        DATETIME(6) NULL COMMENT 'as the lease was given; renewals are no events',
	cancel_requested   BOOLEAN NULL DEFAULT 0,
	error_code         VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'of the last try that failed',
	error_message      TEXT CHARACTER SET utf8mb4 NULL,
	because            VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'of a skipped task: the dependency',
	service_name       VARCHAR(128) CHARACTER SET utf8mb4 NOT NULL DEFAULT '',
	max_retries        INT UNSIGNED NOT NULL DEFAULT 0,
	timeout            DOUBLE NULL COMMENT 's',
	not_before         DATETIME(6) NULL,
	estimated_duration DOUBLE NULL COMMENT 's',
	flags              VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''
		COMMENT 'h hold; on_dependency_failure: s skip, b block, r run',
	backoff            VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''
		COMMENT 'initial_ms,factor,max_ms; empty: 1000,2,60000',
	concurrency_key    VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
	concurrency_limit  INT UNSIGNED NOT NULL DEFAULT 1,
	spec_hash          VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
	traceparent        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
	dependencies       MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NULL
		COMMENT 'c completed, f failed, x finished before each id; upper case: may come later',
	execution_context  LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
	result             LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
	reserve            VARBINARY(72) NULL
		COMMENT 'room for what the first lease adds: a row that grows would have to move, which costs as much as writing it',
	PRIMARY KEY (partition_id, number),
	UNIQUE KEY task (project, task_id),
	KEY batch (project, batch_id) COMMENT 'commands, lists and timelines of a batch; costs 2 us a task'
) ENGINE=InnoDB;

-- Everything that happened, in order; never changed.
CREATE TABLE IF NOT EXISTS task_events (
	partition_id  SMALLINT UNSIGNED NOT NULL,
	seq           BIGINT UNSIGNED NOT NULL,
	event_id      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	number        BIGINT UNSIGNED NULL COMMENT 'the task''s; NULL when the event is not about a task',
	project       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	task_id       VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	version       INT UNSIGNED NULL,
	batch_id      VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	task_type     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	status        ENUM('blocked','pending','running','retry','completed','failed','cancelled','skipped','rejected',
	                   'queue','graph','graph_done') NOT NULL,
	previous      ENUM('blocked','pending','running','retry','completed','failed','cancelled','skipped') NULL,
	attempt       INT UNSIGNED NOT NULL,
	at            DATETIME(6) NOT NULL,
	worker        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
	reason        VARCHAR(1024) CHARACTER SET utf8mb4 NULL,
	error_code    VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
	error_message TEXT CHARACTER SET utf8mb4 NULL,
	because       VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL,
	detail        LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL
		COMMENT 'completed: the result; first event: the specification, fields parted by U+001F',
	PRIMARY KEY (partition_id, seq),
	UNIQUE KEY task (project, task_id, version)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS task_dependencies (
	partition_id  SMALLINT UNSIGNED NOT NULL,
	number        BIGINT UNSIGNED NOT NULL COMMENT 'of the task that waits',
	position      INT UNSIGNED NOT NULL COMMENT 'from 0, in the order of submission',
	project       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	task_id       VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	dependency_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	`condition`   ENUM('completed','failed','finished') NOT NULL,
	future        BOOLEAN NOT NULL,
	PRIMARY KEY (partition_id, number, position),
	KEY dependents (project, dependency_id)
) ENGINE=InnoDB;

-- Every try of a task: from its lease to what became of it.
CREATE TABLE IF NOT EXISTS task_attempts (
	partition_id  SMALLINT UNSIGNED NOT NULL,
	number        BIGINT UNSIGNED NOT NULL,
	attempt       INT UNSIGNED NOT NULL,
	worker        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
	started_at    DATETIME(6) NULL,
	finished_at   DATETIME(6) NULL COMMENT 'NULL: it runs',
	outcome       ENUM('completed','failed','cancelled','released','timeout','worker_lost') NULL,
	error_code    VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
	error_message TEXT CHARACTER SET utf8mb4 NULL,
	reserve       VARBINARY(9) NULL COMMENT 'room for what the end adds, as in tasks',
	PRIMARY KEY (partition_id, number, attempt)
) ENGINE=InnoDB;

-- Batches too large for one step of admission: from the decision until the last task of it was admitted.
CREATE TABLE IF NOT EXISTS batches (
	partition_id SMALLINT UNSIGNED NOT NULL,
	token        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	project      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	batch_id     VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	slices       INT UNSIGNED NOT NULL,
	tasks        INT UNSIGNED NOT NULL,
	state        ENUM('admitting','admitted') NOT NULL,
	seq          BIGINT UNSIGNED NOT NULL COMMENT 'of the last event about it',
	PRIMARY KEY (partition_id, token)
) ENGINE=InnoDB;

-- What is paused now; an empty name means any.
CREATE TABLE IF NOT EXISTS queue_pauses (
	partition_id SMALLINT UNSIGNED NOT NULL,
	task_type    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	project      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	seq          BIGINT UNSIGNED NOT NULL,
	paused_at    DATETIME(6) NOT NULL,
	PRIMARY KEY (partition_id, task_type, project)
) ENGINE=InnoDB;

-- Events that the tables above would not take: set aside with the reason, so that they stand in nobody's way.
CREATE TABLE IF NOT EXISTS poison_events (
	partition_id SMALLINT UNSIGNED NOT NULL,
	seq          BIGINT UNSIGNED NOT NULL,
	reason       TEXT CHARACTER SET utf8mb4 NOT NULL,
	raw          LONGBLOB NOT NULL COMMENT 'the record as it stands in the log',
	at           DATETIME(6) NOT NULL,
	PRIMARY KEY (partition_id, seq)
) ENGINE=InnoDB;
