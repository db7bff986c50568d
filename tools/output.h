/*
 * What a verb prints on stdout: a line for people, or JSON.
 *
 * What cannot be made is told here, and the exit status returned: EXIT_OK or
 * EXIT_FAILED. What cannot be written is told once, at the end, by main.
 *
 * Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "s3/base/buf.h"

/*
 * Members of an object, as json_object_set_new: 0, or -1 where the value could
 * not be made. A series is or'ed together and handed over with the object.
 */
int output_set_number(json_t *o, const char *key, uint64_t n);
/* JSON knows text only: what is no UTF-8 is told with \ooo as KEY_quoted, so
 * that nobody takes it for the name. */
int output_set_name(json_t *o, const char *key, const char *name);

/*
 * broken: not 0 where a member could not be set. The reference to `o`, which is
 * NULL where it could not be made, is taken.
 */
/* Appends one line without its newline. Errors: those of `out`, -ENOMEM. */
int output_add_json(struct buf *out, json_t *o, int broken);
/* Prints one line. */
int output_json(json_t *o, int broken);

/* Prints one line, that `line` has without its newline. */
int output_line(const struct buf *line);
