/*
 * Pairs are kept in an array in order of their first setting; there are a
 * handful of them, and S3 allows 2 KiB.
 *
 * Each attribute is looked up by a table of (name, notation) in order of
 * preference; a name whose value makes no sense counts as absent, so that the
 * next family may speak.
 */
#include "s3/meta.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"

#define NS_PER_S 1000000000

void meta_init(struct meta *m)
{
	m->pairs = NULL;
	m->count = 0;
}

void meta_done(struct meta *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->pairs[i].name);
		free(m->pairs[i].value);
	}
	free(m->pairs);
	meta_init(m);
}

static struct meta_pair *find(const struct meta *m, const char *name)
{
	for (size_t i = 0; i < m->count; i++)
		if (!strcmp(m->pairs[i].name, name))
			return &m->pairs[i];
	return NULL;
}

const char *meta_get(const struct meta *m, const char *name)
{
	const struct meta_pair *pair = find(m, name);

	return pair ? pair->value : NULL;
}

/* Bytes of all pairs but one. */
static size_t size_without(const struct meta *m, const struct meta_pair *skip)
{
	size_t size = 0;

	for (size_t i = 0; i < m->count; i++)
		if (&m->pairs[i] != skip)
			size += strlen(m->pairs[i].name) +
				strlen(m->pairs[i].value);
	return size;
}

size_t meta_size(const struct meta *m)
{
	return size_without(m, NULL);
}

int meta_set(struct meta *m, const char *name, const char *value)
{
	struct meta_pair *pair = find(m, name), *pairs;
	CLEANUP_FREE char *new_name = NULL;
	CLEANUP_FREE char *new_value = NULL;
	size_t name_len = strlen(name), value_len = strlen(value);

	if (name_len > META_MAX || value_len > META_MAX ||
	    size_without(m, pair) + name_len + value_len > META_MAX)
		return -E2BIG;
	new_value = strdup(value);
	if (!new_value)
		return -ENOMEM;
	if (pair) {
		free(pair->value);
		pair->value = TAKE_PTR(new_value);
		return 0;
	}
	new_name = strdup(name);
	pairs = reallocarray(m->pairs, m->count + 1, sizeof(*pairs));
	if (pairs)
		m->pairs = pairs;
	if (!new_name || !pairs)
		return -ENOMEM;
	pairs[m->count].name = TAKE_PTR(new_name);
	pairs[m->count].value = TAKE_PTR(new_value);
	m->count++;
	return 0;
}

int meta_copy(struct meta *to, const struct meta *from)
{
	for (size_t i = 0; i < from->count; i++) {
		int r = meta_set(to, from->pairs[i].name, from->pairs[i].value);

		if (r)
			return r;
	}
	return 0;
}

static int set_number(struct meta *m, const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return meta_set(m, name, text);
}

/* Whole seconds stand without a fraction, others with nine digits. */
static int set_time(struct meta *m, const char *name, int64_t ns)
{
	uint64_t magnitude = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	unsigned long long s = magnitude / NS_PER_S,
			   rest = magnitude % NS_PER_S;
	char text[32];

	if (rest)
		(void)snprintf(text, sizeof(text), "%s%llu.%09llu",
			       ns < 0 ? "-" : "", s, rest);
	else
		(void)snprintf(text, sizeof(text), "%s%llu", ns < 0 ? "-" : "",
			       s);
	return meta_set(m, name, text);
}

int meta_from_posix(struct meta *m, const struct meta_posix *p)
{
	int r = 0;

	if (p->has_mode)
		r = set_number(m, "mode", p->mode);
	if (!r && p->has_uid)
		r = set_number(m, "uid", p->uid);
	if (!r && p->has_gid)
		r = set_number(m, "gid", p->gid);
	if (!r && p->has_mtime)
		r = set_time(m, "mtime", p->mtime_ns);
	return r;
}

/* Digits of `base` from *at on, at least one; false when there is none or the
 * value exceeds `max`. */
static bool digits(const char **at, unsigned int base, uint64_t max,
		   uint64_t *ret_value)
{
	const char *p = *at;
	uint64_t v = 0;

	for (; *p >= '0' && *p < (char)('0' + base); p++) {
		unsigned int d = (unsigned int)(*p - '0');

		if (v > (max - d) / base)
			return false;
		v = v * base + d;
	}
	if (p == *at)
		return false;
	*at = p;
	*ret_value = v;
	return true;
}

static bool number(const char *text, unsigned int base, uint64_t max,
		   uint64_t *ret_value)
{
	return digits(&text, base, max, ret_value) && !*text;
}

/* The digits behind the point as nanoseconds; further ones are cut off. */
static bool fraction(const char **at, uint32_t *ret_ns)
{
	const char *p = *at;
	uint32_t ns = 0, weight = NS_PER_S / 10;

	for (; *p >= '0' && *p <= '9'; p++, weight /= 10)
		ns += weight * (uint32_t)(*p - '0');
	if (p == *at)
		return false;
	*at = p;
	*ret_ns = ns;
	return true;
}

static bool apply_sign(bool negative, __int128 ns, int64_t *ret_ns)
{
	if (negative)
		ns = -ns;
	if (ns < INT64_MIN || ns > INT64_MAX)
		return false;
	*ret_ns = (int64_t)ns;
	return true;
}

static bool time_seconds(const char *text, int64_t *ret_ns)
{
	bool negative = *text == '-';
	uint32_t ns = 0;
	uint64_t s;

	text += negative;
	if (!digits(&text, 10, INT64_MAX, &s))
		return false;
	if (*text == '.' && (text++, !fraction(&text, &ns)))
		return false;
	if (*text)
		return false;
	return apply_sign(negative, (__int128)s * NS_PER_S + ns, ret_ns);
}

/* As the AWS gateways write it: a whole number and its unit, milliseconds
 * where there is none. */
static bool time_gateway(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *unit;
		uint32_t ns;
	} units[] = {
		{ "ns", 1 },	 { "us", 1000 },    { "ms", 1000000 },
		{ "", 1000000 }, { "s", NS_PER_S },
	};
	bool negative = *text == '-';
	uint64_t v;

	text += negative;
	if (!digits(&text, 10, INT64_MAX, &v))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(text, units[i].unit))
			return apply_sign(negative, (__int128)v * units[i].ns,
					  ret_ns);
	return false;
}

struct name {
	const char *name; /* NULL ends a table */
	unsigned int base;
};

static bool find_number(const struct meta *m, const struct name *names,
			uint64_t max, uint64_t *ret_value)
{
	for (; names->name; names++) {
		const char *value = meta_get(m, names->name);

		if (value && number(value, names->base, max, ret_value))
			return true;
	}
	return false;
}

static bool find_mtime(const struct meta *m, int64_t *ret_ns)
{
	const char *value = meta_get(m, "mtime");

	if (value && time_seconds(value, ret_ns))
		return true;
	value = meta_get(m, "file-mtime");
	if (value && time_gateway(value, ret_ns))
		return true;
	value = meta_get(m, "goog-reserved-file-mtime");
	return value && time_seconds(value, ret_ns);
}

void meta_to_posix(struct meta_posix *p, const struct meta *m)
{
	static const struct name mode[] = { { "mode", 10 },
					    { "file-permissions", 8 },
					    { "goog-reserved-posix-mode", 8 },
					    { NULL, 0 } };
	static const struct name uid[] = { { "uid", 10 },
					   { "file-owner", 10 },
					   { "goog-reserved-posix-uid", 10 },
					   { NULL, 0 } };
	static const struct name gid[] = { { "gid", 10 },
					   { "file-group", 10 },
					   { "goog-reserved-posix-gid", 10 },
					   { NULL, 0 } };
	uint64_t v;

	memset(p, 0, sizeof(*p));
	if (find_number(m, mode, 0177777, &v)) {
		p->has_mode = true;
		p->mode = (mode_t)v;
	}
	/* The highest id is no id: chown(2) takes it for "unchanged". */
	if (find_number(m, uid, UINT32_MAX - 1, &v)) {
		p->has_uid = true;
		p->uid = (uid_t)v;
	}
	if (find_number(m, gid, UINT32_MAX - 1, &v)) {
		p->has_gid = true;
		p->gid = (gid_t)v;
	}
	p->has_mtime = find_mtime(m, &p->mtime_ns);
}
