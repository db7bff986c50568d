#include "s3/stamp.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct moment {
	int year, month, day, hour, minute, second;
};

/* Reads exactly `digits` digits at *p. */
static bool number(int *ret, const char **p, const char *end, int digits)
{
	int v = 0;

	if (end - *p < digits)
		return false;
	for (int i = 0; i < digits; i++) {
		char c = *(*p)++;

		if (c < '0' || c > '9')
			return false;
		v = v * 10 + (c - '0');
	}
	*ret = v;
	return true;
}

static bool literal(const char **p, const char *end, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(end - *p) < len || memcmp(*p, text, len))
		return false;
	*p += len;
	return true;
}

static bool clock_time(struct moment *m, const char **p, const char *end)
{
	return number(&m->hour, p, end, 2) && literal(p, end, ":") &&
	       number(&m->minute, p, end, 2) && literal(p, end, ":") &&
	       number(&m->second, p, end, 2);
}

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int to_epoch(int64_t *ret_s, const struct moment *m)
{
	static const int days_before[] = { 0,	31,  59,  90,  120, 151,
					   181, 212, 243, 273, 304, 334 };
	static const int days_in[] = { 31, 28, 31, 30, 31, 30,
				       31, 31, 30, 31, 30, 31 };
	int64_t y = m->year - 1, days;

	if (m->year < 1970 || m->month < 1 || m->month > 12 || m->day < 1 ||
	    m->day > days_in[m->month - 1] +
			     (m->month == 2 && is_leap(m->year)) ||
	    m->hour > 23 || m->minute > 59 || m->second > 60)
		return -EINVAL;
	days = (y - 1969) * 365 + (y / 4 - 492) - (y / 100 - 19) +
	       (y / 400 - 4) + days_before[m->month - 1] + m->day - 1;
	if (m->month > 2 && is_leap(m->year))
		days++;
	*ret_s = ((days * 24 + m->hour) * 60 + m->minute) * 60 + m->second;
	return 0;
}

/* "Z", or how far the clock is ahead of UTC. */
static bool zone(int *ret_minutes, const char **p, const char *end)
{
	int sign, hours, minutes;

	*ret_minutes = 0;
	if (literal(p, end, "Z"))
		return true;
	if (literal(p, end, "+"))
		sign = 1;
	else if (literal(p, end, "-"))
		sign = -1;
	else
		return false;
	if (!number(&hours, p, end, 2) || !literal(p, end, ":") ||
	    !number(&minutes, p, end, 2) || hours > 23 || minutes > 59)
		return false;
	*ret_minutes = sign * (60 * hours + minutes);
	return true;
}

int stamp_parse_iso(int64_t *ret_s, const char *text, size_t len)
{
	const char *p = text, *end = text + len;
	struct moment m;
	int ahead, r;

	if (!number(&m.year, &p, end, 4) || !literal(&p, end, "-") ||
	    !number(&m.month, &p, end, 2) || !literal(&p, end, "-") ||
	    !number(&m.day, &p, end, 2) || !literal(&p, end, "T") ||
	    !clock_time(&m, &p, end))
		return -EINVAL;
	if (literal(&p, end, "."))
		while (p < end && *p >= '0' && *p <= '9')
			p++;
	if (!zone(&ahead, &p, end) || p != end)
		return -EINVAL;
	r = to_epoch(ret_s, &m);
	if (!r)
		*ret_s -= ahead * 60;
	return r;
}

int stamp_parse_http(int64_t *ret_s, const char *text, size_t len)
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr",
					    "May", "Jun", "Jul", "Aug",
					    "Sep", "Oct", "Nov", "Dec" };
	const char *end = text + len;
	const char *p = len ? memchr(text, ',', len) : NULL;
	struct moment m = { 0 };

	if (!p || !literal(&p, end, ", ") || !number(&m.day, &p, end, 2) ||
	    !literal(&p, end, " "))
		return -EINVAL;
	for (int i = 0; i < 12 && !m.month; i++)
		if (literal(&p, end, months[i]))
			m.month = i + 1;
	if (!literal(&p, end, " ") || !number(&m.year, &p, end, 4) ||
	    !literal(&p, end, " ") || !clock_time(&m, &p, end) ||
	    (!literal(&p, end, " GMT") && !literal(&p, end, " UTC") &&
	     !literal(&p, end, " +0000")) ||
	    p != end)
		return -EINVAL;
	return to_epoch(ret_s, &m);
}
