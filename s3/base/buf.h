/*
 * Growable bytes with a mandatory ceiling.
 *
 * Once an append fails (-ENOMEM, or -EFBIG above the ceiling) the buffer
 * keeps its content, stays failed, and further appends do nothing: a series of
 * appends can be checked once, by buf_error.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf {
	char *data; /* NUL-terminated behind len once non-NULL */
	size_t len; /* bytes */
	/* private: */
	size_t room;
	size_t max;
	int error;
};

/* max: ceiling in bytes, terminator not counted. */
#define BUF_INIT(ceiling)                                                      \
	{                                                                      \
		.max = (ceiling)                                               \
	}
void buf_init(struct buf *b, size_t max);
/* Frees the content; the buffer is empty and usable with its old ceiling. */
void buf_done(struct buf *b);
/* Empties, keeps memory, clears the failure. */
void buf_reset(struct buf *b);

int buf_add(struct buf *b, const void *data, size_t len);
int buf_add_str(struct buf *b, const char *s);
int buf_add_char(struct buf *b, char c);
__attribute__((format(printf, 2, 3))) int buf_addf(struct buf *b,
						   const char *fmt, ...);
/* Little-endian integers, as all formats of ours use. */
int buf_add_u8(struct buf *b, uint8_t v);
int buf_add_u16(struct buf *b, uint16_t v);
int buf_add_u32(struct buf *b, uint32_t v);
int buf_add_u64(struct buf *b, uint64_t v);
int buf_add_zero(struct buf *b, size_t len);
/* Room for `len` more bytes behind len, to be filled and then counted by the
 * caller (`b->len += n`); NULL on failure. */
void *buf_reserve(struct buf *b, size_t len);
/* Cuts the content back to `len` bytes, at most its length, and clears a
 * failure: takes back a series of appends. */
void buf_cut(struct buf *b, size_t len);
/* 0, or the first failure. */
int buf_error(const struct buf *b);
/* The content, owned by the caller from now on (free); "" allocated when empty;
 * NULL on a failed buffer or without memory. The buffer is empty then. */
char *buf_take(struct buf *b);

#define CLEANUP_BUF __attribute__((cleanup(buf_done)))
