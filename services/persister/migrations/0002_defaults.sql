-- What is empty in all rows of an INSERT is left out of it: such a column needs its empty value as its default.
ALTER TABLE task_events
	ALTER COLUMN project SET DEFAULT '',
	ALTER COLUMN task_id SET DEFAULT '',
	ALTER COLUMN batch_id SET DEFAULT '',
	ALTER COLUMN task_type SET DEFAULT '';
