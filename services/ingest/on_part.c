/* A part of a large batch: checked field by field, then kept as records until the seal. The same part again replaces it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"
#include "shared/base/memory.h"
#include "shared/task/hash.h"

struct writing {
	struct submission *submission;
	int64_t part;
	char stamp[ID_BYTES];
	struct text records;
	size_t *starts;        /* of the chunks in records, and one behind the last */
	int64_t chunks, index; /* index: the chunk being written */
	int tries;
};

void part_subject(const struct submission *s, int64_t part, int64_t index, char out[192]) {
	char name[256], suffix[24] = "";
	int length = snprintf(name, sizeof(name), "%s/%s", s->project, s->batch_id);
	uint64_t id = hash_fixed((struct slice){ name, (size_t)length }, 2);
	if (index > 0)
		snprintf(suffix, sizeof(suffix), "-%lld", (long long)index);
	snprintf(out, 192, "%s",
	         service_full_subject(s->ingest->service, "internal.part.%016llx.%lld%s", (unsigned long long)id,
	                              (long long)part, suffix));
}

bool part_chunk_parse(struct slice body, struct part_chunk *chunk) {
	struct slice rest = body;
	struct slice header = slice_cut(&rest, RECORD_GS);
	struct slice fields[5] = { { 0 } };
	for (size_t i = 0; i < 5 && header.bytes != NULL; i++)
		fields[i] = slice_cut(&header, RECORD_US);
	*chunk = (struct part_chunk){
		.project = fields[0],
		.batch_id = fields[1],
		.stamp = fields[2],
		.records = rest,
		.index = slice_int(fields[3], -1),
		.chunks = slice_int(fields[4], -1),
	};
	return rest.length > 0 && chunk->index >= 0 && chunk->chunks > chunk->index && chunk->chunks <= PART_CHUNKS_MOST;
}

/* Chunks end between records; one record makes a chunk however large it is. */
static void cut_chunks(struct writing *writing) {
	struct slice rest = { writing->records.bytes, writing->records.length };
	size_t most = writing->records.length / PART_CHUNK_BYTES * 2 + 2;
	size_t start = 0;
	writing->starts = memory_array(most + 1, sizeof(size_t));
	while (rest.bytes != NULL) {
		struct slice record = slice_cut(&rest, RECORD_RS);
		size_t end = (size_t)(record.bytes - writing->records.bytes) + record.length;
		bool first = record.bytes == writing->records.bytes + start;
		if (!first && end - start > PART_CHUNK_BYTES) {
			writing->starts[writing->chunks++] = start;
			start = (size_t)(record.bytes - writing->records.bytes);
		}
	}
	writing->starts[writing->chunks++] = start;
	writing->starts[writing->chunks] = writing->records.length + 1;
}

static void close_writing(struct writing *writing) {
	text_release(&writing->records);
	free(writing->starts);
	free(writing);
}

static void write_chunk(struct writing *writing);

static void on_written(void *context, enum status status, uint64_t sequence) {
	struct writing *writing = context;
	struct submission *s = writing->submission;
	(void)sequence;
	if (status != STATUS_OK && ++writing->tries < PART_TRIES) {
		write_chunk(writing);
	} else if (status == STATUS_OK && writing->index > 0) {
		writing->index--;
		write_chunk(writing);
	} else {
		int64_t part = writing->part;
		close_writing(writing);
		if (status == STATUS_OK)
			submission_part_kept(s, part);
		else
			submission_unavailable(s, "the part could not be kept");
	}
}

static void write_chunk(struct writing *writing) {
	struct submission *s = writing->submission;
	char subject[192];
	size_t start = writing->starts[writing->index];
	size_t length = writing->starts[writing->index + 1] - start - 1;
	part_subject(s, writing->part, writing->index, subject);
	text_clear(&s->body);
	text_printf(&s->body, "%s%c%s%c%s%c%lld%c%lld%c", s->project, RECORD_US, s->batch_id, RECORD_US, writing->stamp,
	            RECORD_US, (long long)writing->index, RECORD_US, (long long)writing->chunks, RECORD_GS);
	text_append(&s->body, writing->records.bytes + start, length);
	stream_append(s->ingest->bus, subject, STREAM_ANY_SEQUENCE, (struct slice){ s->body.bytes, s->body.length },
	              PART_TIMEOUT_MS, on_written, writing);
}

void on_part(struct submission *s, const struct submit_request *request) {
	struct writing *writing = memory_new(sizeof(*writing));
	writing->submission = s;
	writing->part = request->part;
	id_make(writing->stamp);
	take_records(s, request, &writing->records);
	cut_chunks(writing);
	writing->index = writing->chunks - 1;
	write_chunk(writing);
}
