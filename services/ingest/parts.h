/* How a part of a large batch waits for its seal: as records, in one message of stream PARTS, or in several when they do
 * not fit one. on_part.c writes them, on_seal.c reads them.
 *
 *   subject  internal.part.<id>.<part> for the first chunk, internal.part.<id>.<part>-<index> for the others
 *   chunk := project US batch_id US stamp US index US chunks GS record (RS record)*
 *
 * id is a hash of project and batch_id, which the chunk repeats; the stamp is one writing's own, so that chunks of two
 * writings of the same part are never mixed. The first chunk is written last. */
#ifndef CORDER_INGEST_PARTS_H
#define CORDER_INGEST_PARTS_H

#include "ingest.h"

enum { PART_CHUNK_BYTES = 500000, PART_CHUNKS_MOST = 1000, PART_TIMEOUT_MS = 5000, PART_TRIES = 4 };

struct part_chunk {
	struct slice project, batch_id, stamp, records;
	int64_t index, chunks;
};

void part_subject(const struct submission *submission, int64_t part, int64_t index, char out[192]);
bool part_chunk_parse(struct slice body, struct part_chunk *chunk);

#endif
