/* docs/settings.md says what the programs say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/text.h"
#include "tests/support/test.h"

static char *read_all(FILE *file) {
	struct text text = { 0 };
	char buffer[4096];
	size_t got;
	assert_non_null(file);
	while ((got = fread(buffer, 1, sizeof(buffer), file)) > 0)
		text_append(&text, buffer, got);
	return text_take(&text);
}

static void the_page_of_settings_is_current(void **state) {
	(void)state;
	FILE *pipe = popen(CORDER_SOURCE_DIR "/docs/settings.sh " CORDER_BIN_DIR, "r");
	FILE *file = fopen(CORDER_SOURCE_DIR "/docs/settings.md", "r");
	char *said = read_all(pipe), *written = read_all(file);
	assert_int_equal(pclose(pipe), 0);
	fclose(file);
	if (strcmp(said, written) != 0)
		fail_msg("docs/settings.md is not current: docs/settings.sh build/release/bin >docs/settings.md");
	free(said);
	free(written);
}

static void every_setting_of_a_program_is_known_to_the_others(void **state) {
	(void)state;
	static const char *const programs[] = { "ingest", "scheduler", "dispatcher", "persister", "monitor" };
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		char command[1024];
		/* All names with their defaults in one environment; URLs and prefix as they are. */
		snprintf(command, sizeof(command),
		         "env $(sed -nE 's/^\\| `(CORDER_[A-Z_]+)` \\| `([^`]+)`.*/\\1=\\2/p' %s/docs/settings.md) "
		         "%s/corder-%s --print-config >/dev/null",
		         CORDER_SOURCE_DIR, CORDER_BIN_DIR, programs[i]);
		assert_int_equal(system(command), 0);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_of_settings_is_current),
		cmocka_unit_test(every_setting_of_a_program_is_known_to_the_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
