/* The queues by type and priority; see overview.h. */
#include <math.h>
#include <stdlib.h>

#include "overview.h"
#include "peers.h"
#include "pulse.h"
#include "score.h"
#include "shared/base/clock.h"
#include "snapshot.h"
#include "view.h"

enum { WINDOWS = 3, PRIORITY_MAX = 10 };

static const struct {
	const char *name;
	int64_t seconds;
} windows[WINDOWS] = { { "15m", 900 }, { "1h", 3600 }, { "24h", 86400 } };

static void read_windows(const struct monitor *monitor, struct slice task_type, int64_t priority,
                         struct pulse_sum sums[WINDOWS], int64_t known_s[WINDOWS]) {
	for (size_t i = 0; i < WINDOWS; i++)
		known_s[i] =
			pulse_read(monitor->pulse, PULSE_TYPE, task_type, priority, clock_wall_us(), windows[i].seconds, &sums[i]);
}

static void add_rates(struct text *out, const struct pulse_sum sums[WINDOWS], const int64_t known_s[WINDOWS]) {
	text_add(out, ",\"rates\":{");
	for (size_t i = 0; i < WINDOWS; i++) {
		const uint64_t counts[] = { sums[i].came, sums[i].started, sums[i].completed, sums[i].failed };
		static const char *const names[] = { "in", "started", "completed", "failed" };
		text_printf(out, "%s\"%s\":{", i > 0 ? "," : "", windows[i].name);
		for (size_t j = 0; j < sizeof(counts) / sizeof(*counts); j++) {
			text_printf(out, "%s\"%s\":", j > 0 ? "," : "", names[j]);
			score_add_number(out, round(1e4 * (double)counts[j] / (double)known_s[i]) / 1e4);
		}
		text_add_char(out, '}');
	}
	text_add_char(out, '}');
}

static void add_times(struct text *out, const char *name, const struct pulse_sum sums[WINDOWS], bool run) {
	text_printf(out, ",\"%s\":{", name);
	for (size_t i = 0; i < WINDOWS; i++) {
		text_printf(out, "%s\"%s\":", i > 0 ? "," : "", windows[i].name);
		pulse_add_times_json(out, run ? &sums[i].run : &sums[i].wait);
	}
	text_add_char(out, '}');
}

/* What has a score below 100 does not exist but for aged priorities; it is told with the lowest. */
static int64_t ready_of(const struct snapshot_queue *queue, int64_t priority) {
	if (queue == NULL)
		return 0;
	return queue->by_hundred[priority] + (priority == 1 ? queue->by_hundred[0] : 0);
}

static void add_priorities(struct text *out, const struct monitor *monitor, struct slice task_type,
                           const struct snapshot_queue *queue) {
	unsigned known = pulse_priorities(monitor->pulse, task_type);
	bool first = true;
	text_add(out, ",\"priorities\":[");
	for (int64_t priority = PRIORITY_MAX; priority > 0; priority--) {
		struct pulse_sum sums[WINDOWS];
		int64_t known_s[WINDOWS], ready = ready_of(queue, priority);
		if (ready == 0 && (known & 1U << priority) == 0)
			continue;
		read_windows(monitor, task_type, priority, sums, known_s);
		text_printf(out, "%s{\"priority\":%lld,\"ready\":%lld", first ? "" : ",", (long long)priority,
		            (long long)ready);
		add_times(out, "wait", sums, false);
		text_add_char(out, '}');
		first = false;
	}
	text_add_char(out, ']');
}

static void add_queue(struct text *out, const struct monitor *monitor, struct slice project,
                      const struct tally_type *type) {
	const struct snapshot_view *view = snapshot_view(monitor->snapshot);
	const struct snapshot_queue *queue = snapshot_queue(view, type->task_type);
	struct pulse_sum sums[WINDOWS];
	int64_t known_s[WINDOWS], workers = 0;
	peers_workers(monitor->peers, type->task_type, &workers);
	text_add(out, "{\"task_type\":");
	text_add_json(out, type->task_type);
	text_printf(out,
	            ",\"paused\":%s,\"counts\":", tally_paused(&view->tally, project, type->task_type) ? "true" : "false");
	overview_add_counts(out, &type->counts);
	text_printf(out, ",\"ready\":%lld", (long long)(queue != NULL ? queue->depth : 0));
	view_add_time(out, "oldest_ready_at", queue != NULL ? queue->oldest_us : 0);
	text_printf(out, ",\"workers\":{\"waiting\":%lld,\"running\":%lld}", (long long)workers,
	            (long long)tally_type_count(&view->tally, type->task_type, TALLY_RUNNING));
	add_priorities(out, monitor, type->task_type, queue);
	read_windows(monitor, type->task_type, 0, sums, known_s);
	add_rates(out, sums, known_s);
	add_times(out, "wait", sums, false);
	add_times(out, "run", sums, true);
	text_add_char(out, '}');
}

static void add_name(struct text *out, const char *member, struct slice name) {
	text_printf(out, "\"%s\":", member);
	if (name.length > 0)
		text_add_json(out, name);
	else
		text_add(out, "null");
}

/* The pause of a type stands in every partition. */
static bool told_before(const struct tally *tally, size_t i) {
	for (size_t j = 0; j < i; j++)
		if (slice_equal(tally->pauses[j].task_type, tally->pauses[i].task_type) &&
		    slice_equal(tally->pauses[j].project, tally->pauses[i].project))
			return true;
	return false;
}

void queues_add(struct text *out, struct monitor *monitor, struct slice project) {
	const struct tally *tally = &snapshot_view(monitor->snapshot)->tally;
	struct tally_type *types;
	size_t count = tally_types(tally, project, &types);
	text_add(out, "\"queues\":[");
	for (size_t i = 0; i < count; i++) {
		text_add(out, i > 0 ? "," : "");
		add_queue(out, monitor, project, &types[i]);
	}
	free(types);
	text_add(out, "],\"pauses\":[");
	bool first = true;
	for (size_t i = 0; i < tally->pause_count; i++) {
		if (told_before(tally, i))
			continue;
		text_add(out, first ? "{" : ",{");
		first = false;
		add_name(out, "task_type", tally->pauses[i].task_type);
		text_add_char(out, ',');
		add_name(out, "project", tally->pauses[i].project);
		text_add_char(out, '}');
	}
	text_add_char(out, ']');
}
