-- The name of an event that was set aside, as everybody else was told it: `corder poison --replay` writes it down with it.
ALTER TABLE poison_events
	ADD COLUMN /*M! IF NOT EXISTS */ event_id VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '';
