/* The command line's pure parts: options, files of tasks, workflows, text that fits a terminal, trees. */
#include "../support/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/cli/connection.h"
#include "clients/cli/grid.h"
#include "clients/cli/options.h"
#include "clients/cli/plan.h"
#include "clients/cli/submit.h"
#include "clients/cli/utf8.h"

struct sample {
	const char *name, *types;
	int64_t count;
	double seconds;
	bool all;
};

static const struct option_row rows[] = {
	{ "name", 'n', OPTION_TEXT, offsetof(struct sample, name), "NAME", "a name", 0, 0 },
	{ "type", 't', OPTION_LIST, offsetof(struct sample, types), "TYPE", "types", 0, 0 },
	{ "count", 'c', OPTION_INT, offsetof(struct sample, count), "N", "a count", 1, 10 },
	{ "seconds", 0, OPTION_NUMBER, offsetof(struct sample, seconds), "S", "seconds", 0, 60 },
	{ "all", 'a', OPTION_FLAG, offsetof(struct sample, all), NULL, "all", 0, 0 },
};

enum { WORDS_MOST = 20 };

static enum status parse(const char *line, struct sample *sample, struct arguments *arguments, struct error *err) {
	static char copy[256];
	static char *words[WORDS_MOST];
	int count = 0;
	struct option_table table = { rows, sizeof rows / sizeof *rows, sample };
	snprintf(copy, sizeof copy, "%s", line);
	for (char *word = strtok(copy, " "); word != NULL && count < WORDS_MOST; word = strtok(NULL, " "))
		words[count++] = word;
	*sample = (struct sample){ 0 };
	return options_parse(&table, 1, count, words, arguments, err);
}

static void options_come_in_every_usual_form(void **state) {
	(void)state;
	struct sample sample;
	struct arguments arguments;
	struct error err = { 0 };
	assert_int_equal(parse("one --name=x -c 3 -ta --type b two -a --seconds 1.5 -- -n --all", &sample, &arguments,
	                       &err),
	                 STATUS_OK);
	assert_string_equal(sample.name, "x");
	assert_string_equal(sample.types, "a,b");
	assert_int_equal(sample.count, 3);
	assert_true(sample.all && sample.seconds > 1.4 && sample.seconds < 1.6);
	assert_int_equal(arguments.count, 2);
	assert_string_equal(arguments.words[1], "two");
	assert_true(arguments.has_tail);
	assert_int_equal(arguments.tail_count, 2);
	arguments_release(&arguments);
	assert_int_equal(parse("-", &sample, &arguments, &err), STATUS_OK);
	assert_int_equal(arguments.count, 1);
	arguments_release(&arguments);
}

static void a_wrong_option_says_what_was_meant_or_what_is_allowed(void **state) {
	(void)state;
	static const char *const lines[][2] = {
		{ "--naem x", "did you mean --name" }, { "--count 11", "from 1 to 10" },  { "--count 1x", "whole number" },
		{ "--name", "needs a value" },         { "--all=yes", "takes no value" }, { "-z", "unknown option -z" },
		{ "--seconds nan", "a number" },       { "--count", "--count N" },
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct sample sample;
		struct arguments arguments;
		struct error err = { 0 };
		assert_int_equal(parse(lines[i][0], &sample, &arguments, &err), STATUS_REJECT);
		if (strstr(err.message, lines[i][1]) == NULL)
			fail_msg("%s: %s", lines[i][0], err.message);
		arguments_release(&arguments);
	}
}

static void any_bytes_become_a_json_string_that_fits(void **state) {
	(void)state;
	struct text out = { 0 };
	assert_true(utf8_add_json(&out, SLICE("a\xffz\xc3\xa4\xed\xa0\x80"), 100));
	assert_string_equal(out.bytes, "\"a\xEF\xBF\xBDz\xc3\xa4\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
	text_clear(&out);
	assert_false(utf8_add_json(&out, SLICE("\xc3\xa4\xc3\xa4\xc3\xa4\n\n\n"), 7));
	assert_true(out.length <= 7);
	struct json *json = json_read((struct slice){ out.bytes, out.length }, NULL);
	assert_non_null(json);
	json_close(&json);
	text_release(&out);
}

static void a_url_is_shown_without_its_password(void **state) {
	(void)state;
	char *shown = connection_masked("nats://user:p@ss@host:4222");
	assert_string_equal(shown, "nats://host:4222");
	free(shown);
	shown = connection_masked("host:4222");
	assert_string_equal(shown, "host:4222");
	free(shown);
}

/* A temporary file with this content; its path is in a static buffer. */
static const char *file_with(const char *content) {
	static char path[] = "/tmp/corder-test-XXXXXX";
	memcpy(path + sizeof path - 7, "XXXXXX", 6);
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
	return path;
}

static enum status read_content(const char *content, struct submission *submission, struct error *err) {
	const char *path = file_with(content);
	*submission = (struct submission){ 0 };
	enum status status = submission_read_path(submission, path, err);
	unlink(path);
	return status;
}

static void a_file_may_hold_a_task_a_batch_a_list_or_lines(void **state) {
	(void)state;
	static const struct {
		const char *content;
		size_t count;
	} files[] = {
		{ "{\"task_type\":\"a\"}", 1 },
		{ "\n{\n \"task_type\": \"a\"\n}\n", 1 },
		{ "{\"project\":\"p\",\"tasks\":[{\"task_type\":\"a\"},{\"task_type\":\"b\"}]}\n", 2 },
		{ "[{\"task_type\":\"a\"}, {\"task_type\":\"b\"}]", 2 },
		{ "\n{\"task_type\":\"a\"}\n\n{\"task_type\":\"b\"}\n{\"tasks\":[{\"task_type\":\"c\"}]}\n", 3 },
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		struct submission submission;
		struct error err = { 0 };
		assert_int_equal(read_content(files[i].content, &submission, &err), STATUS_OK);
		assert_int_equal(submission.count, files[i].count);
		submission_release(&submission);
	}
}

static void a_task_without_an_id_gets_one_and_keeps_its_bytes(void **state) {
	(void)state;
	struct submission submission;
	struct error err = { 0 };
	assert_int_equal(read_content("{ \"task_type\":\"a\",  \"x\": 1.50 }", &submission, &err), STATUS_OK);
	assert_memory_equal(submission.tasks.bytes, "{\"task_id\":\"01", 14);
	assert_string_equal(submission.tasks.bytes + strlen("{\"task_id\":\"\",") + 26,
	                    " \"task_type\":\"a\",  \"x\": 1.50 }");
	submission_release(&submission);
	assert_int_equal(read_content("{\"task_id\":\"mine\",\"task_type\":\"a\"}", &submission, &err), STATUS_OK);
	assert_string_equal(submission.tasks.bytes, "{\"task_id\":\"mine\",\"task_type\":\"a\"}");
	submission_release(&submission);
}

static void a_wrong_file_is_refused_with_its_name_and_place(void **state) {
	(void)state;
	static const char *const files[][2] = {
		{ "", "is empty" },
		{ "{\"task_type\":", "corder-test" },
		{ "[1]", "task 0" },
		{ "{}", "an empty object" },
		{ "{\"tasks\":{}}", "a list" },
		{ "{\"seal\":2}", "parts large batches itself" },
		{ "{\"project\":\"p\",\"task_type\":\"a\"}\n{\"project\":\"q\",\"task_type\":\"a\"}\n", ":2: project is 'q'" },
		{ "{\"task_type\":\"a\"}\n{\"task_type\":\n", ":2" },
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		struct submission submission;
		struct error err = { 0 };
		assert_int_equal(read_content(files[i][0], &submission, &err), STATUS_REJECT);
		if (strstr(err.message, files[i][1]) == NULL)
			fail_msg("%s: %s", files[i][0], err.message);
		submission_release(&submission);
	}
}

static void the_type_of_a_workflow_task_is_its_name_without_the_instance(void **state) {
	(void)state;
	static const char *const names[][2] = {
		{ "bowtie2_ID0000003", "bowtie2" },
		{ "cpuhog_chain_00000001", "cpuhog_chain" },
		{ "NF.SAREK.BWAMEM2_INDEX", "BWAMEM2_INDEX" },
		{ "fasterq-dump_4", "fasterq-dump" },
		{ "BWAMEM2", "BWAMEM2" },
		{ "a b", "a_b" },
		{ "42", "42" },
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct text content = { 0 };
		struct submission submission = { 0 };
		struct error err = { 0 };
		text_printf(&content,
		            "{\"workflow\":{\"specification\":{\"tasks\":[{\"id\":\"x y\",\"name\":\"%s\",\"parents\":[]}]},",
		            names[i][0]);
		text_add(&content, "\"execution\":{\"tasks\":[{\"id\":\"x y\",\"runtimeInSeconds\":3}]}}}");
		const char *path = file_with(content.bytes);
		struct wfformat_options options = { NULL, "r-", 0.5 };
		assert_int_equal(wfformat_read(&submission, path, &options, &err), STATUS_OK);
		assert_string_equal(submission.types.bytes, names[i][1]);
		assert_non_null(strstr(submission.tasks.bytes, "\"task_id\":\"r-x-y\""));
		assert_non_null(strstr(submission.tasks.bytes, "\"sleep 1.500000\""));
		unlink(path);
		submission_release(&submission);
		text_release(&content);
	}
}

static void foreign_text_cannot_steer_the_terminal(void **state) {
	(void)state;
	struct term term = { .unicode = true };
	struct text out = { 0 };
	term_add(&term, &out, SHADE_RED,
	         SLICE("a\x1b[2J\r\nb\xc2\x9b"
	               "c\xff"));
	assert_string_equal(out.bytes, "a [2J  b c?");
	text_release(&out);
}

static void a_table_is_cut_where_it_may_be_until_it_fits(void **state) {
	(void)state;
	static const struct grid_column columns[] = { { "TASK", false, true }, { "N", true, false } };
	struct term term = { .live = true, .unicode = true, .width = 16 };
	struct grid *grid = grid_open(columns, 2);
	struct text out = { 0 };
	grid_cell(grid, SHADE_PLAIN, SLICE("a-very-long-name-of-a-task"));
	grid_printf(grid, SHADE_PLAIN, "%d", 42);
	grid_add(grid, &term, &out);
	assert_string_equal(out.bytes, "TASK           N\na-very-long…  42\n");
	text_clear(&out);
	term.live = false;
	grid_add(grid, &term, &out);
	assert_non_null(strstr(out.bytes, "a-very-long-name-of-a-task  42"));
	grid_close(&grid);
	text_release(&out);
}

static void durations_read_well_at_every_size(void **state) {
	(void)state;
	static const struct {
		double seconds;
		const char *text;
	} samples[] = { { 0.0124, "12ms" }, { 0.9999, "1.0s" }, { 61, "1m01s" }, { 3700, "1h01m" }, { 100000, "1d03h" } };
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct text out = { 0 };
		text_add_duration(&out, samples[i].seconds);
		assert_string_equal(out.bytes, samples[i].text);
		text_release(&out);
	}
}

static void a_task_is_drawn_under_its_deepest_dependency(void **state) {
	(void)state;
	struct json *json = json_read(
		SLICE("[{\"task_id\":\"a\",\"dependencies\":[]},{\"task_id\":\"b\",\"dependencies\":[{\"task_id\":\"a\"}]},"
	          "{\"task_id\":\"c\",\"dependencies\":[{\"task_id\":\"a\"},{\"task_id\":\"b\"},{\"task_id\":\"elsewhere\"}"
	          "]}]"),
		NULL);
	struct plan plan;
	plan_make(&plan, json_root(json));
	assert_int_equal(plan.count, 3);
	assert_int_equal(plan.edge_count, 3);
	assert_int_equal(plan.root_count, 1);
	assert_int_equal(plan.nodes[2].depth, 2);
	assert_int_equal(plan.nodes[2].drawn_under, 1);
	assert_int_equal(plan.nodes[0].child_count, 1);
	plan_release(&plan);
	json_close(&json);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_come_in_every_usual_form),
		cmocka_unit_test(a_wrong_option_says_what_was_meant_or_what_is_allowed),
		cmocka_unit_test(any_bytes_become_a_json_string_that_fits),
		cmocka_unit_test(a_url_is_shown_without_its_password),
		cmocka_unit_test(a_file_may_hold_a_task_a_batch_a_list_or_lines),
		cmocka_unit_test(a_task_without_an_id_gets_one_and_keeps_its_bytes),
		cmocka_unit_test(a_wrong_file_is_refused_with_its_name_and_place),
		cmocka_unit_test(the_type_of_a_workflow_task_is_its_name_without_the_instance),
		cmocka_unit_test(foreign_text_cannot_steer_the_terminal),
		cmocka_unit_test(a_table_is_cut_where_it_may_be_until_it_fits),
		cmocka_unit_test(durations_read_well_at_every_size),
		cmocka_unit_test(a_task_is_drawn_under_its_deepest_dependency),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
