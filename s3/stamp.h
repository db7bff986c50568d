/*
 * Points in time as S3 writes them, to epoch seconds and back.
 *
 * Threads: any; pure computation, no locale, no time zone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* "2023-05-24T10:20:30.123Z", or "+02:00" for the Z, as Python writes it; the
 * fraction is cut off. -EINVAL. */
int stamp_parse_iso(int64_t *ret_s, const char *text, size_t len);
/* "Fri, 24 May 2013 00:00:00 GMT". -EINVAL. */
int stamp_parse_http(int64_t *ret_s, const char *text, size_t len);
