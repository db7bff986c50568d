/*
 * Requests in three classes as S3 bills them: writes and listings, reads, and
 * what is free (deletes and aborts). Every attempt counts, also those that a
 * store repeats: they are billed too.
 */
#include "s3/price.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_LEN 200

#define WRITE_PER_1000 0.005
#define READ_PER_1000 0.0004

const struct price_table price_default = {
	.per_1000 =
		{
			[STORE_GET] = READ_PER_1000,
			[STORE_HEAD] = READ_PER_1000,
			[STORE_PUT] = WRITE_PER_1000,
			[STORE_LIST] = WRITE_PER_1000,
			[STORE_COPY] = WRITE_PER_1000,
			[STORE_DELETE] = 0,
			[STORE_DELETE_MANY] = 0,
			[STORE_UPLOAD_START] = WRITE_PER_1000,
			[STORE_UPLOAD_PART] = WRITE_PER_1000,
			[STORE_UPLOAD_FINISH] = WRITE_PER_1000,
			[STORE_UPLOAD_ABORT] = 0,
			[STORE_CONFIG] = READ_PER_1000,
		},
	.per_gb_in = 0.09,
	.per_gb_out = 0,
};

double price_of(const struct price_table *t, const struct store_counts *c)
{
	double usd = (double)c->bytes_in / 1e9 * t->per_gb_in +
		     (double)c->bytes_out / 1e9 * t->per_gb_out;

	for (int op = 0; op < STORE_OP_COUNT; op++)
		usd += (double)c->requests[op] / 1000 * t->per_1000[op];
	return usd;
}

/* Where the table keeps what `word` stands for; NULL: no such word. */
static double *place_of(struct price_table *t, const char *word)
{
	if (!strcasecmp(word, "in"))
		return &t->per_gb_in;
	if (!strcasecmp(word, "out"))
		return &t->per_gb_out;
	for (int op = 0; op < STORE_OP_COUNT; op++)
		if (!strcasecmp(word, store_op_name((enum store_op)op)))
			return &t->per_1000[op];
	return NULL;
}

/* One line, without its end; modified. */
static int parse_line(struct price_table *t, char *line)
{
	static const char space[] = " \t\r";
	char *rest, *end, *word, *number;
	double *place, usd;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, space, &rest);
	if (!word)
		return 0;
	place = place_of(t, word);
	number = strtok_r(NULL, space, &rest);
	if (!place || !number || strtok_r(NULL, space, &rest))
		return -EINVAL;
	usd = strtod(number, &end);
	/* Also false for what is no number at all. */
	if (*end || !(usd >= 0 && usd < 1e6))
		return -EINVAL;
	*place = usd;
	return 0;
}

int price_parse(struct price_table *ret_table, const char *text, size_t len,
		struct err *e)
{
	struct price_table t = price_default;
	const char *at = text, *stop = text + len;

	for (unsigned int number = 1; at < stop; number++) {
		const char *newline = memchr(at, '\n', (size_t)(stop - at));
		size_t n = (size_t)((newline ?: stop) - at);
		char line[LINE_MAX_LEN + 1];

		if (n > LINE_MAX_LEN || memchr(at, 0, n))
			return err_set(e, -EINVAL, "line %u: too long", number);
		memcpy(line, at, n);
		line[n] = '\0';
		if (parse_line(&t, line))
			return err_set(e, -EINVAL,
				       "line %u is not a word and a price",
				       number);
		at += n + !!newline;
	}
	*ret_table = t;
	return 0;
}
