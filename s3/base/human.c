/*
 * People read sizes in powers of 1000 (as disks and networks are sold) and
 * write limits in powers of 1024 (as caches are).
 */
#include "s3/base/human.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const unit_names[] = { "B", "kB", "MB", "GB", "TB", "PB" };
#define UNITS (sizeof(unit_names) / sizeof(unit_names[0]))

/* The unit whose numbers stay below 1000 once rounded to a decimal. */
static size_t unit_of(uint64_t bytes, double *ret_scale)
{
	size_t unit = 0;
	double scale = 1;

	while (unit + 1 < UNITS && (double)bytes / scale >= 999.95) {
		scale *= 1000;
		unit++;
	}
	*ret_scale = scale;
	return unit;
}

void human_size(char out[HUMAN_MAX], uint64_t bytes)
{
	double scale;
	size_t unit = unit_of(bytes, &scale);

	(void)snprintf(out, HUMAN_MAX, "%.*f %s", unit ? 1 : 0,
		       (double)bytes / scale, unit_names[unit]);
}

int human_add_size(struct buf *out, const char *before, uint64_t bytes,
		   const char *after)
{
	char size[HUMAN_MAX];

	human_size(size, bytes);
	return buf_addf(out, "%s%s%s", before, size, after);
}

void human_sizes(char out[2 * HUMAN_MAX], uint64_t part, uint64_t whole)
{
	double scale;
	size_t unit = unit_of(whole, &scale);
	int digits = unit ? 1 : 0;

	(void)snprintf(out, 2 * HUMAN_MAX, "%.*f/%.*f %s", digits,
		       (double)part / scale, digits, (double)whole / scale,
		       unit_names[unit]);
}

void human_price(char out[HUMAN_MAX], double usd)
{
	int digits = 2;

	if (usd <= 0) {
		(void)snprintf(out, HUMAN_MAX, "$0");
		return;
	}
	for (double p = usd; p < 0.1 && digits < 9; p *= 10)
		digits++;
	(void)snprintf(out, HUMAN_MAX, "$%.*f", digits > 2 ? digits - 1 : 2,
		       usd);
}

/* Powers of 1024 that the suffix stands for; -1: none of ours. */
static int suffix_power(const char *suffix)
{
	static const char letters[] = "KMGT";
	const char *hit;

	if (!*suffix || !strcasecmp(suffix, "b"))
		return 0;
	hit = strchr(letters, toupper((unsigned char)*suffix));
	if (!hit)
		return -1;
	suffix++;
	if (*suffix && strcasecmp(suffix, "b") && strcasecmp(suffix, "ib"))
		return -1;
	return (int)(hit - letters) + 1;
}

int human_parse_size(const char *text, uint64_t *ret_bytes, struct err *e)
{
	unsigned long long n;
	char *end;
	int power;

	errno = 0;
	n = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
	if (!isdigit((unsigned char)*text) || errno)
		return err_set(e, -EINVAL, "'%s' is not a size", text);
	power = suffix_power(end);
	if (power < 0)
		return err_set(e, -EINVAL,
			       "'%s' is not a size: the suffix is one of K, M, "
			       "G, T",
			       text);
	if (n > ((uint64_t)INT64_MAX >> (10 * power)))
		return err_set(e, -EINVAL, "'%s' is too large a size", text);
	*ret_bytes = (uint64_t)n << (10 * power);
	return 0;
}
