/*
 * One direction of one connection through the modelled network.
 *
 * Bytes that enter leave half a round trip later, in order. How many may be
 * on the way is decided by a congestion window as TCP keeps it: it starts at
 * ten segments and grows by what is acknowledged while it is the limit, that
 * is, it doubles each round trip. It is kept for the connection's life. All
 * flows of one direction share a link of limited bandwidth.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC. `wake` parameters are lowered to
 * the next moment at which asking again may give another answer.
 * Threads: one.
 */
#ifndef PROXY_FLOW_H
#define PROXY_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What holds for every connection; constant. */
struct flow_model {
	int64_t rtt_ns;
	bool slow_start;
	uint64_t bandwidth; /* bytes a second and direction; 0: no limit */
};

/* The wire of one direction, shared by all flows on it. */
struct flow_link {
	int64_t free_at_ns; /* when the last byte accepted will have left */
};

struct flow_span {
	int64_t arrives_ns;
	size_t len;
};

struct flow {
	const struct flow_model *model; /* borrowed */
	struct flow_link *link; /* borrowed */
	int64_t not_before_ns; /* nothing leaves earlier: handshake */
	int64_t hold_until_ns; /* nothing arrives earlier */
	uint64_t total_in, total_out; /* bytes ever */

	unsigned char *ring;
	size_t ring_size, ring_start, ring_used;

	/*
	 * Counters modulo span_size: [acked, arrived) is waiting for its
	 * acknowledgement, [arrived, end) is on the way.
	 */
	struct flow_span *spans;
	size_t span_size, span_acked, span_arrived, span_end;

	size_t due; /* bytes that have arrived and were not consumed */
	uint64_t window, in_flight;
	bool limited; /* the window held bytes back since it was last empty */
};

void flow_init(struct flow *f, const struct flow_model *model,
	       struct flow_link *link);
void flow_done(struct flow *f);

/* Bytes that may enter now; 0 with `wake` lowered when the answer is no. */
size_t flow_room(struct flow *f, int64_t now, int64_t *wake);

/* Free contiguous space for up to `want` bytes; *ret_len is what there is. */
unsigned char *flow_space(struct flow *f, size_t want, size_t *ret_len);

/* The first len bytes of the space are on their way. */
void flow_commit(struct flow *f, int64_t now, size_t len);

/* Sends a copy of data without asking for room: heads and short answers. */
void flow_append(struct flow *f, int64_t now, const void *data, size_t len);

/* Contiguous bytes that have arrived; valid until the next flow_space. */
size_t flow_due(struct flow *f, int64_t now, int64_t *wake,
		const unsigned char **ret_data);
void flow_consume(struct flow *f, size_t len);

static inline bool flow_empty(const struct flow *f)
{
	return f->ring_used == 0;
}

#endif
