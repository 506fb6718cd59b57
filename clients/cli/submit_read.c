/* Files of tasks: a JSON object (a task, or a batch with "tasks"), a list, JSON lines, a folder of such files, stdin. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../shared/base/id.h"
#include "../../shared/base/memory.h"
#include "submit.h"

enum { FILE_MOST_BYTES = 1 << 30 };

enum status submit_read_file(const char *path, struct text *out, struct error *err) {
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "rb");
	if (file == NULL)
		return fail(err, STATUS_REJECT, "%.200s: %s", path, strerror(errno));
	char block[65536];
	size_t got;
	while ((got = fread(block, 1, sizeof block, file)) > 0 && out->length < FILE_MOST_BYTES)
		text_append(out, block, got);
	bool bad = ferror(file) != 0;
	int number = errno;
	if (!is_stdin)
		fclose(file);
	if (bad)
		return fail(err, STATUS_REJECT, "%.200s: %s", path, strerror(number));
	if (got > 0)
		return fail(err, STATUS_REJECT, "%.200s: larger than 1 GiB; submit it in several files", path);
	return STATUS_OK;
}

/* Takes a project or batch_id that a file names; two different ones are a mistake. */
static enum status set_name(char **field, struct slice value, const char *name, const char *where, struct error *err) {
	if (value.bytes == NULL)
		return STATUS_OK;
	if (*field == NULL)
		*field = slice_copy(value);
	else if (!slice_is(value, *field))
		return fail(
			err, STATUS_REJECT,
			"%.120s: %s is '%.*s', but '%.64s' stands elsewhere; submit them one by one, or say which with --%s", where,
			name, (int)(value.length < 64 ? value.length : 64), value.bytes, *field,
			strcmp(name, "project") == 0 ? "project" : "batch");
	return STATUS_OK;
}

static void add_raw(struct submission *submission, struct slice raw, bool has_id) {
	if (submission->count == submission->capacity) {
		submission->capacity = submission->capacity == 0 ? 256 : submission->capacity * 2;
		submission->ends = memory_resize(submission->ends, submission->capacity, sizeof *submission->ends);
	}
	if (submission->count > 0)
		text_add_char(&submission->tasks, ',');
	if (!has_id) {
		char id[ID_BYTES];
		id_make(id);
		text_printf(&submission->tasks, "{\"task_id\":\"%s\",", id);
		raw.bytes++;
		raw.length--;
	}
	text_add_slice(&submission->tasks, raw);
	submission->ends[submission->count++] = submission->tasks.length;
}

/* What a task or a batch says beside the tasks themselves. */
static enum status take_orders(struct submission *submission, struct json_value object, const char *where,
                               struct error *err) {
	if (json_present(json_member(object, "seal")) || json_present(json_member(object, "part")))
		return fail(err, STATUS_REJECT,
		            "%.200s: leave \"part\" and \"seal\" out; corder submit parts large batches itself", where);
	submission->dry_run |= json_bool(json_member(object, "dry_run"), false);
	struct json_value order = json_member(object, "order");
	if (json_present(order) && (submission->order = submit_order_of(json_text(order))) == SUBMIT_ORDER_UNSAID)
		return fail(err, STATUS_REJECT, "%.200s: \"order\" is score, fifo or critical_path", where);
	submission->archived |= slice_is(json_text(json_member(object, "ack")), "archived");
	struct slice project = json_text(json_member(object, "project")),
				 batch = json_text(json_member(object, "batch_id"));
	enum status status = STATUS_OK;
	if (!submission->project_fixed)
		status = set_name(&submission->project, project, "project", where, err);
	if (status == STATUS_OK && !submission->batch_fixed)
		status = set_name(&submission->batch_id, batch, "batch_id", where, err);
	return status;
}

enum status submission_add(struct submission *submission, struct json_value task, const char *where,
                           struct error *err) {
	if (json_kind(task) != JSON_OBJECT)
		return fail(err, STATUS_REJECT, "%.160s: a task is a JSON object, like {\"task_type\":\"coding\"}", where);
	if (json_count(task) == 0)
		return fail(err, STATUS_REJECT, "%.160s: an empty object is no task; it needs at least \"task_type\"", where);
	enum status status = take_orders(submission, task, where, err);
	if (status == STATUS_OK)
		add_raw(submission, json_raw(task), json_present(json_member(task, "task_id")));
	return status;
}

static enum status add_list(struct submission *submission, struct json_value list, const char *path,
                            struct error *err) {
	size_t index = 0;
	for (struct json_value task = json_first(list); json_present(task); task = json_next(task), index++) {
		char where[320];
		snprintf(where, sizeof where, "%.200s, task %zu", path, index);
		enum status status = submission_add(submission, task, where, err);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

static enum status add_document(struct submission *submission, struct json_value root, const char *path,
                                struct error *err) {
	if (json_kind(root) == JSON_LIST)
		return add_list(submission, root, path, err);
	struct json_value tasks = json_member(root, "tasks");
	if (!json_present(tasks))
		return submission_add(submission, root, path, err);
	if (json_kind(tasks) != JSON_LIST)
		return fail(err, STATUS_REJECT, "%.200s: \"tasks\" must be a list of task objects", path);
	enum status status = take_orders(submission, root, path, err);
	return status == STATUS_OK ? add_list(submission, tasks, path, err) : status;
}

static bool is_blank(struct slice line) {
	for (size_t i = 0; i < line.length; i++)
		if (strchr(" \t\r", line.bytes[i]) == NULL)
			return false;
	return true;
}

static enum status read_lines(struct submission *submission, struct slice rest, const char *path, struct error *err) {
	struct json *json = json_open();
	enum status status = STATUS_OK;
	for (size_t number = 1; rest.bytes != NULL && status == STATUS_OK; number++) {
		struct slice line = slice_cut(&rest, '\n');
		char where[320];
		snprintf(where, sizeof where, "%.200s:%zu", path, number);
		if (is_blank(line))
			continue;
		struct error wrong = { 0 };
		status = json_parse(json, line, NULL, &wrong);
		if (status == STATUS_OK)
			status = add_document(submission, json_root(json), where, err);
		else
			fail(err, STATUS_REJECT, "%.120s: %.180s", where, wrong.message);
	}
	json_close(&json);
	return status;
}

/* JSON lines: more than one line, and the first is a whole document by itself. */
static bool is_lines(struct slice content) {
	struct slice rest = content, first = { 0 };
	while (rest.bytes != NULL && is_blank(first))
		first = slice_cut(&rest, '\n');
	struct json *json = json_read(first, NULL);
	bool whole = json != NULL && rest.bytes != NULL && !is_blank(rest);
	json_close(&json);
	return whole;
}

enum status submission_add_file(struct submission *submission, struct slice bytes, const char *name,
                                struct error *err) {
	if (is_blank(bytes))
		return fail(err, STATUS_REJECT, "%.200s is empty: there is no task in it", name);
	if (is_lines(bytes))
		return read_lines(submission, bytes, name, err);
	struct error wrong = { 0 };
	struct json *json = json_read(bytes, &wrong);
	enum status status = json != NULL ? add_document(submission, json_root(json), name, err)
	                                  : fail(err, STATUS_REJECT, "%.120s: %.180s", name, wrong.message);
	json_close(&json);
	return status;
}

static enum status read_one(struct submission *submission, const char *path, struct error *err) {
	struct text content = { 0 };
	enum status status = submit_read_file(path, &content, err);
	const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
	if (status == STATUS_OK)
		status = submission_add_file(submission, (struct slice){ content.bytes, content.length }, name, err);
	text_release(&content);
	return status;
}

static int is_task_file(const struct dirent *entry) {
	const char *dot = strrchr(entry->d_name, '.');
	return entry->d_name[0] != '.' && dot != NULL &&
	       (strcmp(dot, ".json") == 0 || strcmp(dot, ".jsonl") == 0 || strcmp(dot, ".ndjson") == 0);
}

static enum status read_folder(struct submission *submission, const char *path, struct error *err) {
	struct dirent **entries;
	int count = scandir(path, &entries, is_task_file, alphasort);
	if (count < 0)
		return fail(err, STATUS_REJECT, "%.200s: %s", path, strerror(errno));
	enum status status = STATUS_OK;
	if (count == 0)
		status = fail(err, STATUS_REJECT, "%.200s holds no .json or .jsonl file", path);
	for (int i = 0; i < count; i++) {
		struct text file = { 0 };
		text_printf(&file, "%s/%s", path, entries[i]->d_name);
		if (status == STATUS_OK)
			status = read_one(submission, file.bytes, err);
		text_release(&file);
		free(entries[i]);
	}
	free(entries);
	return status;
}

enum status submission_read_path(struct submission *submission, const char *path, struct error *err) {
	struct stat about;
	if (strcmp(path, "-") != 0 && stat(path, &about) == 0 && S_ISDIR(about.st_mode))
		return read_folder(submission, path, err);
	return read_one(submission, path, err);
}

void submission_release(struct submission *submission) {
	free(submission->project);
	free(submission->batch_id);
	free(submission->ends);
	text_release(&submission->tasks);
	text_release(&submission->types);
	*submission = (struct submission){ 0 };
}
