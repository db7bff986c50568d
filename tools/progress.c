/*
 * The counters are atomics, and a thread of its own draws: a terminal that is
 * stopped (Ctrl-S) holds up nobody but that thread.
 *
 * The cursor is left at the line's start, so that a message from elsewhere
 * overwrites the line and is not glued to its end; the log erases what it does
 * not cover. A Ctrl-C echoes "^C" there: each line begins with a return.
 */
#include "tools/progress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "s3/base/clock.h"
#include "s3/base/human.h"
#include "s3/base/io.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/base/pool.h"

#define REDRAW_MS 100
#define LINE_MAX_LEN 512 /* bytes */
#define ETA_MAX_S 360000.0
#define RATE_S 10.0 /* what the rate is an average of, about */
#define BAR_MIN 5
#define BAR_MAX 30

struct progress {
	const char *verb; /* these two set at start, then constant */
	uint64_t started_ns;
	/* of the thread that draws: */
	double per_s, drawn_s;
	uint64_t drawn_bytes;
	_Atomic(const char *) phase;
	_Atomic uint64_t files, files_total, bytes, bytes_total;
	pthread_t thread;

	struct lock lock; /* LOCK_RANK_BASE */
	/* guarded by lock: */
	pthread_cond_t wake;
	bool ending;
};

/* "  ETA 1:05"; nothing where it is not known, or beyond all patience. */
static void render_eta(char *out, size_t room, const struct progress_state *s)
{
	double left = s->bytes < s->bytes_total
			      ? (double)(s->bytes_total - s->bytes)
			      : 0;
	unsigned int t;

	*out = '\0';
	if (left <= 0 || left >= s->per_s * ETA_MAX_S)
		return;
	t = (unsigned int)(left / s->per_s + 0.5);
	if (t < 60)
		(void)snprintf(out, room, "  ETA %us", t);
	else if (t < 3600)
		(void)snprintf(out, room, "  ETA %u:%02u", t / 60, t % 60);
	else
		(void)snprintf(out, room, "  ETA %u:%02u:%02u", t / 3600,
			       t / 60 % 60, t % 60);
}

static void render_numbers(char *out, size_t room,
			   const struct progress_state *s)
{
	char sizes[2 * HUMAN_MAX], rate[HUMAN_MAX], eta[32];

	if (!s->files_total && !s->bytes_total) {
		human_size(sizes, s->bytes);
		*out = '\0';
		if (s->files || s->bytes)
			(void)snprintf(out, room, "  %llu files  %s",
				       (unsigned long long)s->files, sizes);
		return;
	}
	human_size(rate, (uint64_t)s->per_s);
	human_sizes(sizes, s->bytes, s->bytes_total);
	render_eta(eta, sizeof(eta), s);
	(void)snprintf(out, room, "  %llu/%llu files  %s  %s/s%s",
		       (unsigned long long)s->files,
		       (unsigned long long)s->files_total, sizes, rate, eta);
}

/* Of the bytes, or of the files where there are no bytes to move; 0 … 1. */
static double share_done(const struct progress_state *s)
{
	double share;

	if (s->bytes_total)
		share = (double)s->bytes / (double)s->bytes_total;
	else if (s->files_total)
		share = (double)s->files / (double)s->files_total;
	else
		share = 0;
	return share > 1 ? 1 : share;
}

/* "  [####....]", the brackets `width` apart. */
static void render_bar(char *out, size_t room, int width, double share)
{
	char marks[BAR_MAX + 1] = "";
	int full = (int)(share * width);

	memset(marks, '#', (size_t)full);
	memset(marks + full, '.', (size_t)(width - full));
	(void)snprintf(out, room, "  [%.*s]", width, marks);
}

void progress_render(char *out, size_t room, unsigned int columns,
		     const struct progress_state *s)
{
	char head[80], numbers[160], bar[2 * BAR_MAX] = "", percent[16] = "";
	bool phase = s->phase && *s->phase;
	int left;

	(void)snprintf(head, sizeof(head), "%s%s%s", s->verb, phase ? ": " : "",
		       phase ? s->phase : "");
	if (s->bytes_total || s->files_total)
		(void)snprintf(percent, sizeof(percent), "  %2u%%",
			       (unsigned int)(share_done(s) * 100));
	render_numbers(numbers, sizeof(numbers), s);
	/* What the bar may take beside "  [", "]" and "  100%". */
	left = (int)columns - (int)strlen(head) - (int)strlen(numbers) - 10;
	if (left > BAR_MAX)
		left = BAR_MAX;
	if (left >= BAR_MIN && *percent)
		render_bar(bar, sizeof(bar), left, share_done(s));
	(void)snprintf(out, room, "%s%s%s%s", head, bar, percent, numbers);
	if (columns < room)
		out[columns] = '\0';
}

static unsigned int terminal_columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return 80;
	return size.ws_col;
}

/* The mean since the start, and after RATE_S of about the last RATE_S. */
static void note_rate(struct progress *p, uint64_t bytes)
{
	double now_s = (double)(clock_now_ns() - p->started_ns) / 1e9;
	double took_s = now_s - p->drawn_s;
	double over_s = now_s < RATE_S ? now_s : RATE_S;

	if (took_s <= 0)
		return;
	/* Less than before, where something has to be sent anew. */
	p->per_s += ((double)(int64_t)(bytes - p->drawn_bytes) / took_s -
		     p->per_s) *
		    (took_s < over_s ? took_s / over_s : 1);
	if (p->per_s < 0)
		p->per_s = 0;
	p->drawn_s = now_s;
	p->drawn_bytes = bytes;
}

static void draw(struct progress *p)
{
	struct progress_state state = {
		.verb = p->verb,
		.phase = p->phase,
		.files = p->files,
		.files_total = p->files_total,
		.bytes = p->bytes,
		.bytes_total = p->bytes_total,
	};
	char line[LINE_MAX_LEN], out[LINE_MAX_LEN + 8];
	int len;

	note_rate(p, state.bytes);
	state.per_s = p->per_s;
	/* The last column stays free: some terminals wrap there. */
	progress_render(line, sizeof(line), terminal_columns() - 1, &state);
	len = snprintf(out, sizeof(out), "\r%s\033[K\r", line);
	/* Nothing to do about a terminal that went away. */
	(void)io_write_full(STDERR_FILENO, out, (size_t)len);
}

static void *drawer(void *arg)
{
	struct progress *p = arg;

	log_overwrites(true);
	for (;;) {
		{
			LOCK_SCOPE(&p->lock);
			if (!p->ending)
				(void)cond_wait_ms(&p->wake, &p->lock,
						   REDRAW_MS);
			if (p->ending)
				break;
		}
		draw(p);
	}
	log_overwrites(false);
	/* Erases; as above. */
	(void)io_write_full(STDERR_FILENO, "\r\033[K", 4);
	return NULL;
}

static bool drawable(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb");
}

static struct progress *discard(struct progress *p)
{
	(void)pthread_cond_destroy(&p->wake);
	lock_done(&p->lock);
	free(p);
	return NULL;
}

struct progress *progress_start(const char *verb, bool quiet)
{
	struct progress *p;
	int r;

	if (quiet || !drawable())
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->verb = verb;
	p->started_ns = clock_now_ns();
	lock_init(&p->lock, LOCK_RANK_BASE);
	cond_init(&p->wake);
	r = pool_start_thread(&p->thread, drawer, p);
	return r ? discard(p) : p;
}

void progress_total(struct progress *p, uint64_t files, uint64_t bytes)
{
	if (!p)
		return;
	p->files_total = files;
	p->bytes_total = bytes;
}

void progress_add(struct progress *p, uint64_t files, uint64_t bytes)
{
	if (!p)
		return;
	p->files += files;
	p->bytes += bytes;
}

void progress_phase(struct progress *p, const char *phase)
{
	if (p)
		p->phase = phase;
}

void progress_stop(struct progress *p)
{
	if (!p)
		return;
	lock_take(&p->lock);
	p->ending = true;
	pthread_cond_signal(&p->wake);
	lock_drop(&p->lock);
	(void)pthread_join(p->thread, NULL);
	(void)discard(p);
}
