/* Answers that do not end; see http.h. A stream without anything to send is suspended, and costs nothing. */
#include <stdlib.h>
#include <string.h>

#include "http_inside.h"
#include "shared/base/memory.h"

struct http_stream {
	struct http_request *request; /* NULL once its connection is done */
	http_stream_closed *closed;
	void *context;
	struct http_frame *frames[HTTP_STREAM_FRAMES]; /* a ring */
	size_t first, count;
	size_t sent; /* of the first frame */
	bool ended;
};

struct http_frame *http_frame_new(struct slice bytes) {
	struct http_frame *frame = memory_new(sizeof(*frame) + bytes.length);
	frame->references = 1;
	frame->length = bytes.length;
	memcpy(frame->bytes, bytes.bytes, bytes.length);
	return frame;
}

void http_frame_drop(struct http_frame **frame) {
	if (*frame != NULL && --(*frame)->references == 0)
		free(*frame);
	*frame = NULL;
}

static void drop_first(struct http_stream *stream) {
	http_frame_drop(&stream->frames[stream->first]);
	stream->first = (stream->first + 1) % HTTP_STREAM_FRAMES;
	stream->count--;
	stream->sent = 0;
}

/* The library asks for what comes next. */
static ssize_t read_stream(void *context, uint64_t position, char *buffer, size_t room) {
	struct http_stream *stream = context;
	size_t filled = 0;
	(void)position;
	while (stream->count > 0 && filled < room) {
		const struct http_frame *frame = stream->frames[stream->first];
		size_t left = frame->length - stream->sent, piece = left < room - filled ? left : room - filled;
		memcpy(buffer + filled, frame->bytes + stream->sent, piece);
		filled += piece;
		stream->sent += piece;
		if (stream->sent == frame->length)
			drop_first(stream);
	}
	if (filled > 0)
		return (ssize_t)filled;
	if (stream->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	http_suspend(stream->request);
	return 0;
}

struct http_stream *http_stream_start(struct http_request *request, http_stream_closed *closed, void *context) {
	enum { BLOCK_BYTES = 8192 };
	struct http_stream *stream = memory_new(sizeof(*stream));
	*stream = (struct http_stream){ .request = request, .closed = closed, .context = context };
	struct MHD_Response *response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, stream, NULL);
	must(response != NULL);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream; charset=utf-8");
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	(void)MHD_add_response_header(response, "X-Accel-Buffering", "no");
	if (request->http == NULL) { /* the client has gone already */
		http_give(request, MHD_HTTP_OK, response);
		free(stream);
		return NULL;
	}
	request->stream = stream;
	http_give(request, MHD_HTTP_OK, response);
	return stream;
}

bool http_stream_push(struct http_stream *stream, struct http_frame *frame) {
	if (stream->count == HTTP_STREAM_FRAMES || stream->ended)
		return false;
	frame->references++;
	stream->frames[(stream->first + stream->count++) % HTTP_STREAM_FRAMES] = frame;
	if (stream->request->is_suspended)
		http_resume(stream->request);
	return true;
}

size_t http_stream_waiting(const struct http_stream *stream) {
	return stream->count;
}

void http_stream_end(struct http_stream *stream) {
	stream->ended = true;
	if (stream->request->is_suspended)
		http_resume(stream->request);
}

void http_stream_gone(struct http_stream *stream) {
	while (stream->count > 0)
		drop_first(stream);
	stream->closed(stream->context);
	free(stream);
}
