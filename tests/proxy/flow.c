/*
 * The bytes wait in a ring that grows on demand up to FLOW_MAX; the spans
 * beside it say when each run of them arrives and, half a round trip later,
 * when its acknowledgement is back with the sender.
 *
 * Bandwidth: what enters is put behind what the link has already accepted. A
 * flow is told to come again while the link has more than LINK_AHEAD_NS of
 * work, so that flows take turns in pieces of at most LINK_PIECE.
 */
#include "tests/proxy/flow.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define INITIAL_WINDOW 14600 /* ten segments of 1460 bytes */
#define FLOW_MAX ((size_t)16 << 20)
#define FLOW_MAX_UNDELAYED ((size_t)1 << 20)
#define RING_FIRST ((size_t)64 << 10)
#define LINK_AHEAD_NS 1000000
#define LINK_PIECE ((size_t)64 << 10)

static size_t flow_max(const struct flow *f)
{
	return f->model->rtt_ns ? FLOW_MAX : FLOW_MAX_UNDELAYED;
}

void flow_init(struct flow *f, const struct flow_model *model,
	       struct flow_link *link)
{
	*f = (struct flow){ .model = model, .link = link };
	f->window = FLOW_MAX;
	if (model->slow_start && model->rtt_ns)
		f->window = INITIAL_WINDOW;
}

void flow_done(struct flow *f)
{
	free(f->ring);
	free(f->spans);
	f->ring = NULL;
	f->spans = NULL;
}

/* Takes in the acknowledgements that are back by now. */
static void flow_take_acks(struct flow *f, int64_t now, int64_t *wake)
{
	while (f->span_acked != f->span_arrived) {
		struct flow_span *s = &f->spans[f->span_acked % f->span_size];
		int64_t acked_ns = s->arrives_ns + f->model->rtt_ns / 2;

		if (acked_ns > now) {
			if (acked_ns < *wake)
				*wake = acked_ns;
			return;
		}
		f->in_flight -= s->len;
		if (f->limited && f->window < FLOW_MAX)
			f->window += s->len;
		f->span_acked++;
	}
	if (!f->in_flight)
		f->limited = false;
}

size_t flow_room(struct flow *f, int64_t now, int64_t *wake)
{
	const unsigned char *data;
	size_t room;

	(void)flow_due(f, now, wake, &data); /* moves spans to arrived */
	flow_take_acks(f, now, wake);
	if (f->ring_used >= flow_max(f))
		return 0;
	room = flow_max(f) - f->ring_used;
	if (f->in_flight >= f->window) {
		f->limited = true;
		return 0;
	}
	if (room > f->window - f->in_flight)
		room = f->window - f->in_flight;
	if (f->model->bandwidth) {
		int64_t turn_ns = f->link->free_at_ns - LINK_AHEAD_NS;

		if (turn_ns > now) {
			if (turn_ns < *wake)
				*wake = turn_ns;
			return 0;
		}
		if (room > LINK_PIECE)
			room = LINK_PIECE;
	}
	return room;
}

static void ring_grow(struct flow *f, size_t min_size)
{
	size_t size = f->ring_size ? f->ring_size : RING_FIRST;
	size_t first = f->ring_size - f->ring_start;
	unsigned char *ring;

	while (size < min_size)
		size *= 2;
	ring = malloc(size);
	if (!ring)
		errx(1, "out of memory");
	if (first > f->ring_used)
		first = f->ring_used;
	if (f->ring_used) {
		memcpy(ring, f->ring + f->ring_start, first);
		memcpy(ring + first, f->ring, f->ring_used - first);
	}
	free(f->ring);
	f->ring = ring;
	f->ring_size = size;
	f->ring_start = 0;
}

unsigned char *flow_space(struct flow *f, size_t want, size_t *ret_len)
{
	size_t end, len;

	if (f->ring_used + want > f->ring_size)
		ring_grow(f, f->ring_used + want);
	if (!f->ring_used)
		f->ring_start = 0;
	end = (f->ring_start + f->ring_used) % f->ring_size;
	len = f->ring_size - f->ring_used;
	if (len > f->ring_size - end)
		len = f->ring_size - end;
	*ret_len = len < want ? len : want;
	return f->ring + end;
}

static void spans_grow(struct flow *f)
{
	size_t size = f->span_size ? 2 * f->span_size : 64;
	struct flow_span *spans = calloc(size, sizeof(*spans));
	size_t n = 0;

	if (!spans)
		errx(1, "out of memory");
	for (size_t i = f->span_acked; i != f->span_end; i++)
		spans[n++] = f->spans[i % f->span_size];
	free(f->spans);
	f->spans = spans;
	f->span_size = size;
	f->span_arrived -= f->span_acked;
	f->span_acked = 0;
	f->span_end = n;
}

void flow_commit(struct flow *f, int64_t now, size_t len)
{
	int64_t leaves_ns = now;
	struct flow_span *s;

	if (!len)
		return;
	if (leaves_ns < f->not_before_ns)
		leaves_ns = f->not_before_ns;
	if (f->model->bandwidth) {
		if (leaves_ns < f->link->free_at_ns)
			leaves_ns = f->link->free_at_ns;
		leaves_ns += (int64_t)((double)len * 1e9 /
				       (double)f->model->bandwidth);
		f->link->free_at_ns = leaves_ns;
	}
	if (f->span_end - f->span_acked == f->span_size)
		spans_grow(f);
	s = &f->spans[f->span_end++ % f->span_size];
	s->arrives_ns = leaves_ns + f->model->rtt_ns / 2;
	if (s->arrives_ns < f->hold_until_ns)
		s->arrives_ns = f->hold_until_ns;
	s->len = len;
	f->in_flight += len;
	f->ring_used += len;
	f->total_in += len;
}

void flow_append(struct flow *f, int64_t now, const void *data, size_t len)
{
	const unsigned char *from = data;

	while (len) {
		size_t n;
		unsigned char *to = flow_space(f, len, &n);

		memcpy(to, from, n);
		flow_commit(f, now, n);
		from += n;
		len -= n;
	}
}

size_t flow_due(struct flow *f, int64_t now, int64_t *wake,
		const unsigned char **ret_data)
{
	size_t len;

	while (f->span_arrived != f->span_end) {
		struct flow_span *s = &f->spans[f->span_arrived % f->span_size];

		if (s->arrives_ns > now) {
			if (s->arrives_ns < *wake)
				*wake = s->arrives_ns;
			break;
		}
		f->due += s->len;
		f->span_arrived++;
	}
	if (!f->due)
		return 0;
	len = f->ring_size - f->ring_start;
	if (len > f->due)
		len = f->due;
	*ret_data = f->ring + f->ring_start;
	return len;
}

void flow_consume(struct flow *f, size_t len)
{
	f->ring_start = (f->ring_start + len) % f->ring_size;
	f->ring_used -= len;
	f->due -= len;
	f->total_out += len;
}
