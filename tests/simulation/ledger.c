/* The fold of the log, checked event by event as blocks are appended. When the log loses its tail, the fold is made again
 * from what is left; what was lost may come back by a "continue". */
#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dict.h"
#include "shared/base/memory.h"
#include "shared/task/record.h"

enum { PARTITIONS_MOST = 4 };

struct entry {
	char id[72], previous[72];
	int64_t first, last;
	uint64_t sequence; /* of its message */
	struct slice records;
	bool restored; /* the log itself does not hold it */
};

struct log {
	struct entry *entries;
	size_t count, capacity;
	int64_t hole;
	bool was_cut; /* it has lost its end once */
};

static struct log logs[PARTITIONS_MOST];
static struct dict tasks;                                             /* name -> struct fold_task */
static struct dict keys;                                              /* project/key -> how many run */
static struct dict settled;                                           /* lease -> what became of the try */
static struct dict lost;                                              /* entry id -> struct entry */
static struct dict ever_tasks, ever_leases, ever_settled, ever_ended; /* ended: leases that were over once */
static struct dict told_accepted, told_settled;
static uint64_t events;

/* ---- small things ---- */

static void set(struct dict *dict, const char *key, const char *value) {
	bool is_new;
	dict_set(dict_put(dict, slice_of(key), &is_new), slice_of(value));
}

static const char *get(const struct dict *dict, const char *key) {
	const struct dict_item *item = dict_get(dict, slice_of(key));
	return item ? item->bytes : NULL;
}

static void copy(char *out, size_t room, struct slice text) {
	snprintf(out, room, "%.*s", (int)text.length, text.length ? text.bytes : "");
}

static void clear_fold(void) {
	size_t at = 0;
	for (const struct dict_item *item; (item = dict_next(&tasks, &at));) {
		struct fold_task *task = item->object;
		free(task->name);
		free(task->dependencies);
		free(task);
	}
	dict_clear(&tasks);
	dict_clear(&keys);
	dict_clear(&settled);
}

struct fold_task *ledger_task(const char *name) {
	const struct dict_item *item = dict_get(&tasks, slice_of(name));
	return item ? item->object : NULL;
}

struct fold_task *ledger_next(size_t *at) {
	const struct dict_item *item = dict_next(&tasks, at);
	return item ? item->object : NULL;
}

static const struct entry *last_entry(int64_t partition) {
	const struct log *log = &logs[partition];
	return log->count ? &log->entries[log->count - 1] : NULL;
}

int64_t ledger_last_seq(int64_t partition) {
	const struct entry *last = last_entry(partition);
	return last ? last->last : 0;
}

int64_t ledger_seq_at(int64_t partition, uint64_t sequence) {
	const struct log *log = &logs[partition];
	int64_t seq = 0;
	for (size_t i = 0; i < log->count && log->entries[i].sequence <= sequence; i++)
		seq = log->entries[i].last;
	return seq;
}

int64_t ledger_hole(int64_t partition) {
	return logs[partition].hole;
}

uint64_t ledger_events(void) {
	return events;
}

/* ---- one event ---- */

static bool holds(char condition, char status) {
	return condition == 'x' ? record_is_final(status) : condition == status;
}

/* Told of all its dependencies: they must allow it. */
static void check_dependencies(const struct fold_task *task) {
	struct slice rest = slice_of(task->dependencies);
	struct record_dependency need;
	while (rest.bytes && rest.length > 0 && record_next_dependency(&rest, &need)) {
		char name[256];
		int project = (int)strcspn(task->name, "/");
		snprintf(name, sizeof(name), "%.*s/%.*s", project, task->name, (int)need.task_id.length, need.task_id.bytes);
		const struct fold_task *parent = ledger_task(name);
		bool allowed =
			parent && record_is_final(parent->status) && (task->policy == 'r' || holds(need.condition, parent->status));
		if (!allowed)
			world_violation("%s no longer waits, but its dependency %s is %c", task->name, name,
			                parent ? parent->status : '-');
	}
}

static void add_running(const struct fold_task *task, int by) {
	bool is_new;
	char name[256], number[16];
	if (task->key[0] == '\0')
		return;
	snprintf(name, sizeof(name), "%.*s/%s", (int)strcspn(task->name, "/"), task->name, task->key);
	struct dict_item *item = dict_put(&keys, slice_of(name), &is_new);
	int running = (is_new ? 0 : atoi(item->bytes)) + by;
	snprintf(number, sizeof(number), "%d", running);
	dict_set(item, slice_of(number));
	if (running > task->limit)
		world_violation("%d tasks with the key %s run; %s allows %lld", running, name, task->name,
		                (long long)task->limit);
}

static struct fold_task *first_event(const char *name, const struct record *record, int64_t partition) {
	struct specification s = { 0 };
	bool is_new;
	struct dict_item *item = dict_put(&tasks, slice_of(name), &is_new);
	if (!is_new) {
		world_violation("%s was admitted twice", name);
		return item->object;
	}
	struct fold_task *task = memory_new(sizeof(*task));
	item->object = task;
	task->name = memory_copy(name, strlen(name));
	task->number = record->number;
	task->partition = partition;
	if (!record_parse_specification(record->extra, &s))
		world_violation("%s has no specification", name);
	task->dependencies = slice_copy(s.dependencies);
	copy(task->key, sizeof(task->key), s.concurrency_key);
	copy(task->type, sizeof(task->type), record->task_type);
	task->limit = s.concurrency_limit;
	task->policy = memchr(s.flags.bytes, 'b', s.flags.length)   ? 'b'
	               : memchr(s.flags.bytes, 'r', s.flags.length) ? 'r'
	                                                            : 's';
	task->waits_for_dependency = s.dependencies.length > 0;
	set(&ever_tasks, name, "1");
	return task;
}

static void check_order(const struct fold_task *task, const struct record *record) {
	if (record->previous != task->status)
		world_violation("%s goes from %c to %c, but it was %c", task->name, record->previous, record->status,
		                task->status);
	if (record->version != task->version + 1)
		world_violation("%s has version %lld after %lld", task->name, (long long)record->version,
		                (long long)task->version);
	if (record->attempt != task->attempt + (record->status == 'r' && record->previous != 'r'))
		world_violation("%s has attempt %lld after %lld", task->name, (long long)record->attempt,
		                (long long)task->attempt);
	if (record_is_final(task->status) && (record->status == 'r' || record_is_final(record->status)))
		world_violation("%s had ended as %c, and becomes %c", task->name, task->status, record->status);
}

/* A try begins, goes on, or ends. */
static void fold_try(struct fold_task *task, const struct record *record, const char *entry_id) {
	char lease[64];
	copy(lease, sizeof(lease), record->lease);
	if (record->status == 'r' && task->status != 'r') {
		const char *before = get(&ever_leases, lease);
		if (before && strcmp(before, entry_id) != 0)
			world_violation("the lease %s of %s was given before", lease, task->name);
		set(&ever_leases, lease, entry_id);
		memcpy(task->lease, lease, sizeof(lease));
		add_running(task, 1);
	} else if (task->status == 'r' && record->status != 'r') {
		char outcome[2] = { record->status, '\0' };
		if (lease[0] != '\0' && strcmp(lease, task->lease) != 0)
			world_violation("%s is ended by the lease %s, but %s was in force", task->name, lease, task->lease);
		if (record->status == 'c' && lease[0] == '\0')
			world_violation("%s was completed without a lease", task->name);
		add_running(task, -1);
		set(&ever_ended, task->lease, "1");
		if (lease[0] != '\0') {
			set(&settled, lease, outcome);
			set(&ever_settled, lease, outcome);
		}
	}
}

static void fold_event(int64_t partition, const struct record *record, const char *entry_id) {
	char name[256];
	if (record->number == 0 || !strchr("bprtcfxs", record->status))
		return;
	snprintf(name, sizeof(name), "%.*s/%.*s", (int)record->project.length, record->project.bytes,
	         (int)record->task_id.length, record->task_id.bytes);
	struct fold_task *task = record->previous ? ledger_task(name) : first_event(name, record, partition);
	if (!task) {
		world_violation("%s was never admitted, and becomes %c", name, record->status);
		return;
	}
	if (record->previous)
		check_order(task, record);
	bool waits = memchr(record->waits.bytes ? record->waits.bytes : "", 'd', record->waits.length) != NULL;
	fold_try(task, record, entry_id);
	task->status = record->status;
	task->version = record->version;
	task->attempt = record->attempt;
	task->last_seq = record->seq;
	if (record->status == 'c')
		task->error[0] = '\0';
	else if (record->error_code.length > 0)
		snprintf(task->error, sizeof(task->error), "%.*s%c%.*s", (int)record->error_code.length,
		         record->error_code.bytes, RECORD_US, (int)record->error_message.length,
		         record->error_message.length > 0 ? record->error_message.bytes : "");
	task->waits_for_approval =
		memchr(record->waits.bytes ? record->waits.bytes : "", 'a', record->waits.length) != NULL;
	bool waited = task->waits_for_dependency || record_is_final(record->previous);
	if (waited && !waits && (record->status == 'b' || record->status == 'p'))
		check_dependencies(task);
	task->waits_for_dependency = waits;
	world_say("  log %lld %s %c>%c v%lld a%lld %.*s %s", (long long)record->seq, name,
	          record->previous ? record->previous : '.', record->status, (long long)record->version,
	          (long long)record->attempt, (int)record->waits.length, record->waits.bytes ? record->waits.bytes : "",
	          task->key);
}

static void fold_entry(int64_t partition, const struct entry *entry) {
	struct slice rest = entry->records;
	struct record record;
	bool valid = true;
	while (record_next(&rest, &record, &valid) && valid)
		fold_event(partition, &record, entry->id);
	if (!valid)
		world_violation("entry %s has a record that cannot be read", entry->id);
}

/* ---- the log ---- */

static void push(struct log *log, const struct entry *entry) {
	if (log->count == log->capacity) {
		log->capacity = log->capacity ? log->capacity * 2 : 128;
		log->entries = memory_resize(log->entries, log->capacity, sizeof(*log->entries));
	}
	log->entries[log->count++] = *entry;
}

static void fold_again(void) {
	bool failed = world.failed, verbose = world.verbose;
	world.verbose = false;
	world.failed = true; /* what was checked once is not told again */
	clear_fold();
	for (int64_t p = 0; p < PARTITIONS_MOST; p++)
		for (size_t i = 0; i < logs[p].count; i++)
			fold_entry(p, &logs[p].entries[i]);
	world.failed = failed;
	world.verbose = verbose;
}

void ledger_truncated(int64_t partition, uint64_t last_sequence) {
	struct log *log = &logs[partition];
	bool is_new;
	log->was_cut = true;
	while (log->count > 0 && log->entries[log->count - 1].sequence > last_sequence) {
		struct entry *kept = memory_new(sizeof(*kept));
		*kept = log->entries[--log->count];
		struct dict_item *item = dict_put(&lost, slice_of(kept->id), &is_new);
		if (!is_new)
			free(item->object);
		item->object = kept;
	}
	fold_again();
}

/* The log goes on behind an entry that it lost: everything up to there counts again. */
static void restore(int64_t partition, const struct record *record, uint64_t sequence) {
	struct log *log = &logs[partition];
	struct entry chain[512];
	size_t count = 0;
	char id[72], end[72] = "";
	copy(id, sizeof(id), record->extra);
	if (log->count)
		memcpy(end, log->entries[log->count - 1].id, sizeof(end));
	while (strcmp(id, end) != 0 && count < 512) {
		const struct dict_item *item = dict_get(&lost, slice_of(id));
		if (!item)
			break;
		chain[count] = *(struct entry *)item->object;
		memcpy(id, chain[count++].previous, sizeof(id));
	}
	if (strcmp(id, end) != 0 && !(end[0] == '\0' && count > 0 && chain[count - 1].first == 1)) {
		world_violation("the log goes on from event %lld, which it never had", (long long)record->seq);
		return;
	}
	while (count > 0) {
		chain[--count].sequence = sequence;
		chain[count].restored = true;
		push(log, &chain[count]);
	}
	log->hole = record->seq;
	fold_again();
}

/* An append that was under way when the log lost its end may come after all, when what goes on behind it has taken its number.
 * Of what stands already it changes nothing: every reader knows it. */
static bool is_standing(const struct log *log, struct slice id) {
	for (size_t i = log->count; log->was_cut && i-- > 0;)
		if (slice_is(id, log->entries[i].id))
			return true;
	return false;
}

static void appended(int64_t partition, const struct record_entry *parsed, uint64_t sequence) {
	struct log *log = &logs[partition];
	const struct entry *last = last_entry(partition);
	struct slice rest = parsed->records;
	struct record record;
	bool valid = false;
	if (record_next(&rest, &record, &valid) && valid && record.status == RECORD_CONTINUE) {
		restore(partition, &record, sequence);
		return;
	}
	if (is_standing(log, parsed->id))
		return;
	struct entry entry = { .first = parsed->first_seq, .last = parsed->last_seq, .sequence = sequence };
	copy(entry.id, sizeof(entry.id), parsed->id);
	copy(entry.previous, sizeof(entry.previous), parsed->previous);
	if (last && strcmp(last->id, entry.previous) != 0)
		world_violation("entry %s of partition %lld follows %s, but the log ends with %s", entry.id,
		                (long long)partition, entry.previous, last->id);
	if (entry.first != (last ? last->last : 0) + 1)
		world_violation("entry %s begins with event %lld; the log ends with %lld", entry.id, (long long)entry.first,
		                (long long)(last ? last->last : 0));
	events += (uint64_t)(entry.last - entry.first + 1);
	entry.records = (struct slice){ slice_copy(parsed->records), parsed->records.length };
	push(log, &entry);
	fold_entry(partition, &entry);
}

void ledger_appended(int64_t partition, struct slice block, uint64_t sequence) {
	struct arena *arena = arena_use(NULL);
	struct record_entry entry;
	bool valid = true;
	while (record_next_entry(&block, &entry, &valid) && valid)
		appended(partition, &entry, sequence);
	if (!valid)
		world_violation("message %llu of the log is no block", (unsigned long long)sequence);
	arena_use(arena);
}

void ledger_begin(void) {
	ledger_end();
	events = 0;
}

static void free_lost(void) {
	size_t at = 0;
	for (const struct dict_item *item; (item = dict_next(&lost, &at));)
		free(item->object);
	dict_clear(&lost);
}

/* The bytes of entries are shared by those that came back, and small: they are given back with the program. */
void ledger_end(void) {
	clear_fold();
	free_lost();
	for (int i = 0; i < PARTITIONS_MOST; i++) {
		for (size_t k = 0; k < logs[i].count; k++)
			if (!logs[i].entries[k].restored)
				free_copy(logs[i].entries[k].records);
		free(logs[i].entries);
	}
	memset(logs, 0, sizeof(logs));
	dict_clear(&ever_tasks);
	dict_clear(&ever_leases);
	dict_clear(&ever_settled);
	dict_clear(&ever_ended);
	dict_clear(&told_accepted);
	dict_clear(&told_settled);
}

/* ---- what was told ---- */

void ledger_told_accepted(const char *name) {
	struct arena *arena = arena_use(NULL);
	if (!get(&ever_tasks, name))
		world_violation("%s was accepted, but the log has never had it", name);
	set(&told_accepted, name, "1");
	arena_use(arena);
}

void ledger_told_inputs(const char *name, const char *lease, const cJSON *inputs) {
	const struct fold_task *task = ledger_task(name);
	if (!task || strcmp(task->lease, lease) != 0 || !ledger_lease_is_in_force(name, lease))
		return;
	struct slice rest = slice_of(task->dependencies);
	struct record_dependency need;
	while (rest.bytes && rest.length > 0 && record_next_dependency(&rest, &need)) {
		char id[140], full[256];
		snprintf(id, sizeof(id), "%.*s", (int)need.task_id.length, need.task_id.bytes);
		snprintf(full, sizeof(full), "%.*s/%s", (int)strcspn(name, "/"), name, id);
		const struct fold_task *parent = ledger_task(full);
		bool completed = parent && parent->status == 'c',
			 is_given = cJSON_GetObjectItemCaseSensitive(inputs, id) != NULL;
		/* One that failed, and was retried since, may have completed when the delivery is told again. */
		bool is_owed = completed && parent->last_seq < task->last_seq;
		if (is_given ? !completed : is_owed)
			world_violation("%s was delivered %s a result of %s, which is %c", name, is_given ? "with" : "without",
			                full, parent ? parent->status : '-');
	}
}

void ledger_told_error(const char *name, const char *lease, const cJSON *error) {
	const struct fold_task *task = ledger_task(name);
	char said[sizeof(task->error)] = "";
	if (!task || strcmp(task->lease, lease) != 0 || !ledger_lease_is_in_force(name, lease))
		return;
	if (error != NULL)
		snprintf(said, sizeof(said), "%s%c%s", cJSON_GetStringValue(cJSON_GetObjectItem(error, "code")), RECORD_US,
		         cJSON_GetStringValue(cJSON_GetObjectItem(error, "message")));
	if (strcmp(said, task->error) != 0)
		world_violation("%s was delivered with the error \"%s\", the log has \"%s\"", name, said, task->error);
}

void ledger_told_lease(const char *name, const char *lease, int64_t attempt) {
	(void)attempt;
	if (!get(&ever_leases, lease))
		world_violation("%s was given to a worker, but the log has never had the lease %s", name, lease);
}

void ledger_told_settled(const char *name, const char *lease, const char *status) {
	struct arena *arena = arena_use(NULL);
	char letter[2] = { record_status_letter(slice_of(status)), '\0' };
	(void)name;
	if (!get(&ever_settled, lease))
		world_violation("the settle of %s as %s was answered ok, but the log has never had it", name, status);
	else
		set(&told_settled, lease, letter);
	arena_use(arena);
}

bool ledger_lease_is_in_force(const char *name, const char *lease) {
	const struct fold_task *task = ledger_task(name);
	/* What the log has lost comes back: a lease that was over is over. */
	return task && task->status == 'r' && strcmp(task->lease, lease) == 0 && !get(&ever_ended, lease);
}

void ledger_check_told(void) {
	size_t at = 0;
	for (const struct dict_item *item; (item = dict_next(&told_accepted, &at));)
		if (!ledger_task(item->key))
			world_violation("%s was accepted, and is lost", item->key);
	at = 0;
	for (const struct dict_item *item; (item = dict_next(&told_settled, &at));)
		if (!get(&settled, item->key))
			world_violation("the settle by lease %s was answered ok, and is lost", item->key);
}

bool ledger_is_entry(int64_t partition, struct redis *redis) {
	const struct entry *last = last_entry(partition);
	char key[40], id[32];
	if (!last)
		return true;
	snprintf(key, sizeof(key), "{p%lld}:ob", (long long)partition);
	snprintf(id, sizeof(id), "%lld-0", (long long)last->last);
	struct slice words[] = { SLICE("XRANGE"), slice_of(key), slice_of(id), slice_of(id) };
	const struct kv_reply *found = redis_command(redis, words, 4);
	if (found->count == 1) {
		struct slice header = found->items[0].items[1].items[1].text;
		return slice_is(slice_cut(&header, RECORD_US), last->id);
	}
	snprintf(key, sizeof(key), "{p%lld}:m", (long long)partition);
	struct slice meta[] = { SLICE("HMGET"), slice_of(key), SLICE("trimid") };
	return slice_is(redis_command(redis, meta, 3)->items[0].text, last->id);
}
