/* Random lives: submissions, leases, settles, renewals, commands and sweeps in any order, many of them wrong. The witness
 * looks again and again; a rebuild has to give the same; at the end everything that can end has ended. CORDER_TEST_SEED repeats a run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "tests/support/scripts.h"
#include "tests/support/test.h"

enum { STEPS = 1500, TASKS_MOST = 1200, HELD_MOST = 64, TYPES = 3, KEYS = 3 };

struct world {
	struct scripts *scripts;
	uint64_t random;
	int tasks;
	char held[HELD_MOST][2][128]; /* name, lease */
	int held_count;
};

static uint32_t draw(struct world *w, uint32_t below) {
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)((w->random >> 11) % below);
}

static bool chance(struct world *w, uint32_t percent) {
	return draw(w, 100) < percent;
}

/* admit -------------------------------------------------------------------------------------------------------------- */

struct made {
	char id[24], type[16], needs[256], flags[4], key[8], backoff[16];
};

static void draw_needs(struct world *w, struct made *made, int number) {
	for (uint32_t i = draw(w, 4); i > 0 && number > 0; i--) {
		uint32_t back = 1 + draw(w, number < 40 ? (uint32_t)number : 40);
		size_t at = strlen(made->needs);
		if (chance(w, 5))
			snprintf(made->needs + at, sizeof(made->needs) - at, "%s%ct-%d", at > 0 ? "," : "", "CFX"[draw(w, 3)],
			         number + 1 + (int)draw(w, 20));
		else
			snprintf(made->needs + at, sizeof(made->needs) - at, "%s%ct-%d", at > 0 ? "," : "", "cccfx"[draw(w, 5)],
			         number - (int)back);
	}
}

static struct new_task draw_task(struct world *w, struct made *made, int number) {
	*made = (struct made){ 0 };
	snprintf(made->id, sizeof(made->id), "t-%d", number);
	snprintf(made->type, sizeof(made->type), "type-%u", draw(w, TYPES));
	snprintf(made->flags, sizeof(made->flags), "%c%s", "sssbr"[draw(w, 5)], chance(w, 5) ? "h" : "");
	snprintf(made->backoff, sizeof(made->backoff), "%u,2,20", draw(w, 3));
	snprintf(made->key, sizeof(made->key), "k-%u", draw(w, KEYS));
	draw_needs(w, made, number);
	return (struct new_task){
		.id = made->id,
		.type = made->type,
		.priority = 1 + (int)draw(w, 10),
		.needs = made->needs,
		.flags = made->flags,
		.retries = (int)draw(w, 4) - 1,
		.timeout_us = chance(w, 5) ? 3000 : 0,
		.not_before_us = chance(w, 10) ? clock_wall_us() + 5000 : 0,
		.backoff = made->backoff,
		.key = chance(w, 20) ? made->key : NULL,
		.limit = 1 + made->key[2] - '0',
	};
}

static void admit(struct world *w) {
	struct made made[20];
	struct new_task tasks[20];
	int count = 1 + (int)draw(w, 20);
	if (w->tasks + count > TASKS_MOST)
		return;
	for (int i = 0; i < count; i++)
		tasks[i] = draw_task(w, &made[i], w->tasks + i);
	const char *verdict = scripts_admit(w->scripts, "shop", chance(w, 10) ? "check" : "admit", tasks, (size_t)count);
	char verdict_start[8];
	snprintf(verdict_start, sizeof(verdict_start), "%s", verdict);
	/* A refused one is sent again without what may be wrong with it. */
	if (memcmp(verdict_start, "ok", 2) != 0 || scripts_status(w->scripts, "shop/none", NULL) != '-') {
		for (int i = 0; i < count; i++)
			tasks[i].needs = NULL;
	}
	assert_memory_equal(scripts_admit(w->scripts, "shop", "admit", tasks, (size_t)count), "ok", 2);
	w->tasks += count;
}

/* work --------------------------------------------------------------------------------------------------------------- */

/* The four words of a settle. */
static void draw_settle(struct world *w, char out[4][160]) {
	static const char *const outcomes[] = { "completed", "completed", "completed", "failed", "final", "released" };
	int i = (int)draw(w, (uint32_t)w->held_count);
	const char *outcome = outcomes[draw(w, 6)];
	snprintf(out[0], sizeof(out[0]), "%s", w->held[i][0]);
	snprintf(out[1], sizeof(out[1]), "%.120s", chance(w, 5) ? "wrong" : w->held[i][1]);
	snprintf(out[2], sizeof(out[2]), "%s", outcome);
	snprintf(out[3], sizeof(out[3]), *outcome == 'f' ? "oops %u" : "{\"n\":%u}", draw(w, 1000));
	if (chance(w, 90))
		memcpy(w->held[i], w->held[--w->held_count], sizeof(w->held[i])); /* else it is settled again later */
}

static void hold(struct world *w, const char *id, const char *lease) {
	int i = w->held_count < HELD_MOST ? w->held_count++ : (int)draw(w, HELD_MOST); /* some are just forgotten */
	snprintf(w->held[i][0], sizeof(w->held[i][0]), "shop/%.120s", id);
	snprintf(w->held[i][1], sizeof(w->held[i][1]), "%s", lease);
}

static void work(struct world *w) {
	char settles[8][4][160] = { 0 }, renewals[4][256], wishes[4][128], counts[3][8];
	const char *words[64] = { counts[0], counts[1], counts[2], "60" };
	size_t at = 4;
	uint32_t n = w->held_count > 0 ? draw(w, 8) : 0;
	snprintf(counts[0], sizeof(counts[0]), "%u", n);
	for (uint32_t i = 0; i < n; i++) {
		if (w->held_count > 0)
			draw_settle(w, settles[i]);
		else
			snprintf(settles[i][0], sizeof(settles[i][0]), "shop/none");
		for (size_t k = 0; k < 4; k++)
			words[at++] = settles[i][k];
	}
	n = w->held_count > 0 ? draw(w, 4) : 0;
	snprintf(counts[1], sizeof(counts[1]), "%u", n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = draw(w, (uint32_t)w->held_count);
		snprintf(renewals[i], sizeof(renewals[i]), "%s\x1f%s\x1f%d", w->held[k][0], w->held[k][1],
		         chance(w, 50) ? 1000 : 30000000);
		words[at++] = renewals[i];
	}
	n = draw(w, 4);
	snprintf(counts[2], sizeof(counts[2]), "%u", n);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(wishes[i], sizeof(wishes[i]), "type-%u\x1fw\x1f%u\x1f%d\x1f", draw(w, TYPES), 1 + draw(w, 6),
		         chance(w, 15) ? 2000 : 30000000);
		words[at++] = wishes[i];
	}
	struct answer answer = scripts_work(w->scripts, words, at);
	/* The last two of a reply with wishes are the results of dependencies and the errors of last tries. */
	for (size_t i = answer.reply.count - n - 2; n > 0 && i + 2 < answer.reply.count; i++)
		for (size_t k = 0; k < leased_count(&answer.reply, i); k++) {
			char id[130];
			leased_id(&answer.reply, i, k, id);
			hold(w, id, leased_lease(&answer.reply, i, k));
		}
	answer_release(&answer);
}

/* commands ----------------------------------------------------------------------------------------------------------- */

static void command(struct world *w) {
	uint32_t task = w->tasks > 0 ? draw(w, (uint32_t)w->tasks) : 0;
	switch (draw(w, 8)) {
	case 0: scripts_command(w->scripts, "cancel|shop/t-%u|enough", task); break;
	case 1: scripts_command(w->scripts, "retry|shop/t-%u|%u", task, draw(w, 2)); break;
	case 2: scripts_command(w->scripts, "retry|shop/t-%u|1", task); break;
	case 3: scripts_command(w->scripts, "approve|shop/t-%u|", task); break;
	case 4: scripts_command(w->scripts, "reject|shop/t-%u|", chance(w, 20) ? task : 99999); break;
	case 5: scripts_command(w->scripts, "update|shop/t-%u|%u", task, 1 + draw(w, 10)); break;
	case 6: scripts_command(w->scripts, "pause|%s|%s", chance(w, 50) ? "type-1" : "", "shop"); break;
	default: scripts_command(w->scripts, "resume|%s|%s", chance(w, 50) ? "type-1" : "", "shop"); break;
	}
}

/* Everything goes on: nothing is paused, every hold approved, every lease settled. */
static void let_all_end(struct world *w) {
	struct scripts *s = w->scripts;
	scripts_command(s, "resume||shop");
	scripts_command(s, "resume|type-1|shop");
	for (int i = 0; i < w->tasks; i++)
		scripts_command(s, "approve|shop/t-%d|", i);
	int64_t limit_us = clock_mono_us() + 60000000;
	for (int idle = 0; idle < 40 && clock_mono_us() < limit_us;) {
		int leased = 0;
		scripts_sweep(s);
		while (w->held_count > 0) {
			w->held_count--;
			scripts_settle(s, w->held[w->held_count][0], w->held[w->held_count][1], "completed", "1");
			leased++;
		}
		for (int type = 0; type < TYPES; type++) {
			char name[16], id[64], lease[128];
			snprintf(name, sizeof(name), "type-%d", type);
			while (scripts_lease(s, name, 1, id, lease) == 1) {
				char full[80];
				snprintf(full, sizeof(full), "shop/%s", id);
				assert_string_equal(scripts_settle(s, full, lease, "completed", "1"), "c");
				leased++;
			}
		}
		idle = leased > 0 ? 0 : idle + 1;
		if (leased == 0)
			loop_turn(s->loop, 1000); /* for what is still due */
	}
}

/* Running are only those whose lease this test forgot; blocked only those whose dependency ended otherwise or never came. */
static void nothing_is_left_that_could_go_on(struct world *w) {
	char waits[16], name[32];
	for (int i = 0; i < w->tasks; i++) {
		snprintf(name, sizeof(name), "shop/t-%d", i);
		char status = scripts_status(w->scripts, name, waits);
		if (strchr("cfxsr", status) == NULL && !(status == 'b' && strcmp(waits, "d") == 0) &&
		    !(status == 'b' && strcmp(waits, "k") == 0))
			fail_msg("%s is still %c (waits for \"%s\")", name, status, waits);
	}
}

static void random_lives_leave_no_task_stuck_and_no_count_wrong(void **state) {
	const char *seed = getenv("CORDER_TEST_SEED");
	struct world w = { .scripts = scripts_open(),
		               .random = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)clock_wall_us() };
	(void)state;
	print_message("CORDER_TEST_SEED=%llu\n", (unsigned long long)w.random);
	for (int i = 0; i < STEPS; i++) {
		uint32_t what = draw(&w, 100);
		if (what < 12)
			admit(&w);
		else if (what < 75)
			work(&w);
		else if (what < 90)
			command(&w);
		else
			scripts_sweep(w.scripts);
		if (i % 100 == 99)
			scripts_witness(w.scripts);
	}
	struct state *rebuilt = scripts_rebuild(w.scripts, w.tasks);
	state_close(&rebuilt);
	let_all_end(&w);
	scripts_witness(w.scripts);
	nothing_is_left_that_could_go_on(&w);
	scripts_close(&w.scripts);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_lives_leave_no_task_stuck_and_no_count_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
