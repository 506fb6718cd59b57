/* Records as people and other programs see them: status words and JSON. */
#include <string.h>

#include "record.h"

static const struct word {
	char letter;
	const char *word;
} status_words[] = {
	{ RECORD_BLOCKED, "blocked" },     { RECORD_PENDING, "pending" },     { RECORD_RUNNING, "running" },
	{ RECORD_RETRY, "retry" },         { RECORD_COMPLETED, "completed" }, { RECORD_FAILED, "failed" },
	{ RECORD_CANCELLED, "cancelled" }, { RECORD_SKIPPED, "skipped" },     { RECORD_REJECTED, "rejected" },
}, condition_words[] = { { 'c', "completed" }, { 'f', "failed" }, { 'x', "finished" } }, wait_words[] = {
	{ 'd', "dependency" }, { 't', "time" }, { 'a', "approval" }, { 'k', "key" },
};

static const char *find_word(const struct word *words, size_t count, char letter) {
	for (size_t i = 0; i < count; i++)
		if (words[i].letter == letter)
			return words[i].word;
	return "";
}

#define FIND(words, letter) find_word(words, sizeof(words) / sizeof(*(words)), letter)

const char *record_status_word(char status) {
	return FIND(status_words, status);
}

const char *record_condition_word(char condition) {
	return FIND(condition_words, condition);
}

char record_status_letter(struct slice word) {
	for (size_t i = 0; i < sizeof(status_words) / sizeof(*status_words); i++)
		if (slice_is(word, status_words[i].word))
			return status_words[i].letter;
	return 0;
}

bool record_reason_is(const struct record *record, const char *word) {
	size_t length = strlen(word);
	return record->reason.length >= length && memcmp(record->reason.bytes, word, length) == 0 &&
	       (record->reason.length == length || record->reason.bytes[length] == ':');
}

bool record_is_final(char status) {
	return status != 0 && strchr("cfxs", status) != NULL;
}

static void add_name(struct text *out, const char *name) {
	text_add(out, ",\"");
	text_add(out, name);
	text_add(out, "\":");
}

static void add_member(struct text *out, const char *name, struct slice value) {
	if (value.length == 0)
		return;
	add_name(out, name);
	text_add_json(out, value);
}

static void add_time(struct text *out, const char *name, int64_t at_us) {
	add_name(out, name);
	text_add_json_time(out, at_us);
}

static void add_int(struct text *out, const char *name, int64_t value) {
	add_name(out, name);
	text_add_int(out, value);
}

static void add_word(struct text *out, const char *name, const char *word) {
	add_name(out, name);
	text_add_char(out, '"');
	text_add(out, word);
	text_add_char(out, '"');
}

void record_add_waits_json(struct text *out, struct slice waits) {
	text_add_char(out, '[');
	for (size_t i = 0; i < waits.length; i++)
		text_printf(out, "%s\"%s\"", i > 0 ? "," : "", FIND(wait_words, waits.bytes[i]));
	text_add_char(out, ']');
}

static void add_error_json(struct text *out, const struct record *record) {
	if (record->error_code.length == 0)
		return;
	text_add(out, ",\"error\":{\"code\":");
	text_add_json(out, record->error_code);
	text_add(out, ",\"message\":\"");
	text_add_slice(out, record->error_message);
	text_add_char(out, '"');
	if (record->status == RECORD_REJECTED)
		add_member(out, "path", record->extra);
	text_add_char(out, '}');
}

static void add_dependencies_json(struct text *out, struct slice dependencies) {
	struct record_dependency item;
	bool first = true;
	text_add(out, "\"dependencies\":[");
	while (record_next_dependency(&dependencies, &item)) {
		if (!first)
			text_add_char(out, ',');
		first = false;
		text_add(out, "{\"task_id\":");
		text_add_json(out, item.task_id);
		add_word(out, "when", record_condition_word(item.condition));
		text_add(out, item.future ? ",\"future\":true}" : "}");
	}
	text_add_char(out, ']');
}

static void add_backoff_json(struct text *out, struct slice backoff) {
	struct slice rest = backoff.length > 0 ? backoff : SLICE("1000,2,60000");
	struct slice initial = slice_cut(&rest, ',');
	struct slice factor = rest.bytes != NULL ? slice_cut(&rest, ',') : SLICE("2");
	struct slice most = rest.bytes != NULL ? rest : SLICE("60000");
	text_add(out, ",\"retry_backoff\":{\"initial_ms\":");
	text_add_slice(out, initial);
	add_name(out, "factor");
	text_add_slice(out, factor);
	add_name(out, "max_ms");
	text_add_slice(out, most);
	text_add_char(out, '}');
}

static bool has_flag(const struct specification *s, char flag) {
	return s->flags.length > 0 && memchr(s->flags.bytes, flag, s->flags.length) != NULL;
}

/* A JSON number in seconds, without trailing zeros. */
static void add_seconds(struct text *out, const char *name, int64_t us) {
	if (us == 0) {
		add_name(out, name);
		text_add(out, "null");
		return;
	}
	text_printf(out, ",\"%s\":%lld.%06lld", name, (long long)(us / 1000000), (long long)(us % 1000000));
	while (out->bytes[out->length - 1] == '0')
		out->bytes[--out->length] = '\0';
	if (out->bytes[out->length - 1] == '.')
		out->bytes[--out->length] = '\0';
}

void record_add_specification_core_json(struct text *out, const struct specification *s) {
	text_add(out, "\"service_name\":");
	text_add_json(out, s->service_name);
	add_int(out, "max_retries", s->max_retries);
	add_name(out, "estimated_duration");
	text_add_slice(out, s->estimated_duration.length > 0 ? s->estimated_duration : SLICE("null"));
	add_seconds(out, "timeout", s->timeout_us);
	add_time(out, "not_before", s->not_before_us);
	add_backoff_json(out, s->backoff);
	add_word(out, "on_dependency_failure", has_flag(s, 'b') ? "block" : (has_flag(s, 'r') ? "run" : "skip"));
	text_add(out, has_flag(s, 'h') ? ",\"hold\":true" : ",\"hold\":false");
	add_name(out, "concurrency_key");
	if (s->concurrency_key.length > 0)
		text_add_json(out, s->concurrency_key);
	else
		text_add(out, "null");
	add_int(out, "concurrency_limit", s->concurrency_limit);
	add_member(out, "traceparent", s->traceparent);
}

void record_add_specification_json(struct text *out, const struct specification *s) {
	add_dependencies_json(out, s->dependencies);
	text_add(out, ",\"execution_context\":");
	text_add_slice(out, s->execution_context.length > 0 ? s->execution_context : SLICE("{}"));
	text_add_char(out, ',');
	record_add_specification_core_json(out, s);
}

static void add_whole_task(struct text *out, const struct record *record) {
	struct specification specification;
	if (record->previous != 0 || !record_parse_specification(record->extra, &specification))
		return;
	text_add(out, ",\"task\":{");
	text_add(out, "\"project\":");
	text_add_json(out, record->project);
	text_add(out, ",\"task_id\":");
	text_add_json(out, record->task_id);
	text_add(out, ",\"task_type\":");
	text_add_json(out, record->task_type);
	add_int(out, "priority", record->priority);
	text_add_char(out, ',');
	record_add_specification_json(out, &specification);
	text_add_char(out, '}');
}

void record_add_event_json(struct text *out, const struct record *record, const struct record_entry *entry,
                           int64_t partition) {
	text_add(out, "{\"event_id\":\"");
	text_add_slice(out, entry->id);
	text_add_char(out, '-');
	text_add_int(out, record->seq - entry->first_seq);
	text_add_char(out, '"');
	add_int(out, "partition", partition);
	add_int(out, "seq", record->seq);
	add_name(out, "project");
	text_add_json(out, record->project);
	text_add(out, ",\"task_id\":");
	text_add_json(out, record->task_id);
	text_add(out, ",\"batch_id\":");
	text_add_json(out, record->batch_id);
	text_add(out, ",\"task_type\":");
	text_add_json(out, record->task_type);
	add_word(out, "status", record_status_word(record->status));
	if (record->previous != 0)
		add_word(out, "previous", record_status_word(record->previous));
	else
		text_add(out, ",\"previous\":null");
	add_int(out, "version", record->version);
	add_int(out, "attempt", record->attempt);
	add_time(out, "at", record->at_us);
	add_member(out, "worker", record->worker);
	add_member(out, "reason", record->reason);
	add_error_json(out, record);
	add_member(out, "because", record->because);
	if (record->status == RECORD_BLOCKED) {
		text_add(out, ",\"waits_for\":");
		record_add_waits_json(out, record->waits);
	}
	if (record->status == RECORD_COMPLETED && record->previous != 0) {
		text_add(out, ",\"result\":");
		text_add_slice(out, record->extra.length > 0 ? record->extra : SLICE("null"));
	}
	add_whole_task(out, record);
	text_add_char(out, '}');
}
