/*
 * The bytes of a shard, version 1. All integers are little-endian.
 *
 *      0   8  "ASFSSHRD"
 *      8   4  version, 1
 *     12   4  0
 *     16   8  length of the catalog before compression
 *     24   S  the catalog, as in catalog_stored.c
 *
 * The table, before compression:
 *
 *      0   4  shards N, at least 1
 *      4  67  for each of them:
 *                0  16  id
 *               16  32  SHA-256 of the object
 *               48   4  length of the object
 *               52   8  length of the catalog before compression
 *               60   4  entries, at least 1
 *               64   2  first key: length of the directory's path
 *               66   1            length of the name
 *   4+67N     strings without gaps: for each, the directory's path and the name
 *
 * Keys are strictly ascending. As ranges come from the keys of neighbours, they
 * can neither overlap nor leave a gap.
 */
#include "cache/shard.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cache/catalog_stored.h"
#include "cache/le.h"
#include "cache/names.h"
#include "s3/base/buf.h"
#include "s3/base/span.h"

#define MAGIC "ASFSSHRD"
#define MAGIC_LEN 8
#define VERSION 1
#define HEAD_LEN 24
#define ROW_LEN 67

/* The public structure comes first: a pointer to it is one to the whole. */
struct table_impl {
	struct shard_table table;
	_Atomic unsigned int refs;
	char *strings; /* owned */
	struct shard shards[];
};

struct shard_table *shard_table_ref(struct shard_table *t)
{
	atomic_fetch_add(&((struct table_impl *)(void *)t)->refs, 1);
	return t;
}

void shard_table_unref(struct shard_table *t)
{
	struct table_impl *impl = (struct table_impl *)(void *)t;

	if (!t || atomic_fetch_sub(&impl->refs, 1) != 1)
		return;
	free(impl->strings);
	free(impl);
}

/* ---- table --------------------------------------------------------------- */

int shard_table_encode(struct buf *out, const struct shard *shards,
		       uint32_t count, struct err *e)
{
	unsigned char rec[ROW_LEN];

	(void)buf_add_u32(out, count); /* sticky, as all here */
	for (uint32_t i = 0; i < count; i++) {
		const struct shard *s = &shards[i];

		memset(rec, 0, sizeof(rec));
		memcpy(rec, s->id.bytes, OBJECT_ID_LEN);
		memcpy(rec + 16, s->sum.bytes, HASH_LEN);
		put_le32(rec + 48, s->stored);
		put_le64(rec + 52, s->plain);
		put_le32(rec + 60, s->entries);
		put_le16(rec + 64, (uint16_t)s->first.dir_len);
		rec[66] = (unsigned char)s->first.name_len;
		(void)buf_add(out, rec, sizeof(rec));
	}
	for (uint32_t i = 0; i < count; i++) {
		(void)buf_add(out, shards[i].first.dir,
			      shards[i].first.dir_len);
		(void)buf_add(out, shards[i].first.name,
			      shards[i].first.name_len);
	}
	return buf_error(out)
		       ? err_set(e, buf_error(out),
				 "no memory for a table of %u shards", count)
		       : 0;
}

static int bad_row(struct err *e, uint32_t i, const char *what)
{
	return err_set(e, -EBADMSG, "shard %u: %s", i, what);
}

static int decode_row(struct table_impl *t, uint32_t i, struct span *rows,
		      struct span *strings, struct err *e)
{
	const unsigned char *rec = span_take(rows, ROW_LEN);
	struct shard *s = &t->shards[i];
	struct catalog_key *key = &s->first;

	if (!rec)
		return bad_row(e, i, "cut short");
	memcpy(s->id.bytes, rec, OBJECT_ID_LEN);
	memcpy(s->sum.bytes, rec + 16, HASH_LEN);
	s->stored = get_le32(rec + 48);
	s->plain = get_le64(rec + 52);
	s->entries = get_le32(rec + 60);
	key->dir_len = get_le16(rec + 64);
	key->name_len = rec[66];
	key->dir = span_take(strings, key->dir_len);
	key->name = span_take(strings, key->name_len);
	if (!key->dir || !key->name)
		return bad_row(e, i, "its key is cut short");
	if (!s->entries || s->plain > CATALOG_MAX || s->stored < HEAD_LEN)
		return bad_row(e, i, "impossible lengths");
	t->table.entries += s->entries;
	if ((key->dir_len && !path_is_safe(key->dir, key->dir_len)) ||
	    !name_is_safe(key->name, key->name_len))
		return bad_row(e, i, "unsafe key");
	if (i && catalog_key_compare(&t->shards[i - 1].first, key) >= 0)
		return bad_row(e, i, "out of order");
	return 0;
}

int shard_table_decode(struct shard_table **ret_table, const void *data,
		       size_t len, struct err *e)
{
	struct span rows = span_of(data, len), strings;
	uint32_t count = span_u32(&rows);
	struct table_impl *t;
	size_t strings_len;
	int r = 0;

	if (rows.bad || !count || count > SHARDS_MAX ||
	    (uint64_t)count * ROW_LEN > rows.left)
		return err_set(e, -EBADMSG, "not a table of shards");
	strings_len = rows.left - (size_t)count * ROW_LEN;
	t = calloc(1, sizeof(*t) + count * sizeof(struct shard));
	if (t)
		t->strings = malloc(strings_len ? strings_len : 1);
	if (!t || !t->strings) {
		free(t);
		return err_set(e, -ENOMEM, "no memory for a table of shards");
	}
	atomic_init(&t->refs, 1);
	memcpy(t->strings, rows.p + (size_t)count * ROW_LEN, strings_len);
	strings = span_of(t->strings, strings_len);
	t->table.shards = t->shards;
	t->table.count = count;
	for (uint32_t i = 0; i < count && !r; i++)
		r = decode_row(t, i, &rows, &strings, e);
	if (!r && strings.left)
		r = err_set(e, -EBADMSG,
			    "bytes behind the keys of a table of shards");
	if (r) {
		shard_table_unref(&t->table);
		return r;
	}
	*ret_table = &t->table;
	return 0;
}

uint32_t shard_part_of(const struct shard_table *t,
		       const struct catalog_key *key)
{
	uint32_t lo = 0, hi = t->count;

	/* How many begin at or before the key. */
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (catalog_key_compare(&t->shards[mid].first, key) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct catalog_range shard_range(const struct shard_table *t, uint32_t part)
{
	static const struct catalog_key root = { "", 0, "", 0 };

	return (struct catalog_range){
		.first = part ? &t->shards[part - 1].first : &root,
		.end = part < t->count ? &t->shards[part].first : NULL,
	};
}

/* ---- objects ------------------------------------------------------------- */

int shard_encode(struct buf *out, const void *catalog, size_t len,
		 struct shard *shard, struct err *e)
{
	size_t start = out->len;
	unsigned char head[HEAD_LEN] = MAGIC;
	int r;

	put_le32(head + 8, VERSION);
	put_le32(head + 12, 0);
	(void)buf_add(out, head, sizeof(head)); /* sticky */
	r = catalog_encode(out, catalog, len, &shard->plain, e);
	if (r)
		return r;
	if (out->len - start > UINT32_MAX)
		return err_set(e, -EFBIG, "shard of %zu bytes", out->len);
	put_le64(out->data + start + 16, shard->plain);
	shard->stored = (uint32_t)(out->len - start);
	hash_of(&shard->sum, out->data + start, shard->stored);
	return 0;
}

int shard_decode(struct catalog **ret_cat, const struct shard_table *t,
		 uint32_t i, const void *data, size_t len, struct err *e)
{
	const struct shard *shard = &t->shards[i];
	struct catalog_range range = shard_range(t, i + 1);
	struct span s = span_of(data, len);
	const void *magic = span_take(&s, MAGIC_LEN);
	uint32_t version = span_u32(&s), zero = span_u32(&s);
	uint64_t plain = span_u64(&s);
	CLEANUP(catalog_unrefp) struct catalog *cat = NULL;
	struct hash sum;
	int r;

	if (s.bad || !magic || memcmp(magic, MAGIC, MAGIC_LEN))
		return err_set(e, -EBADMSG, "not a shard");
	if (version != VERSION)
		return err_set(e, -EBADMSG,
			       "shard of format %u: damaged, or written by a "
			       "later version of assetfs",
			       version);
	hash_of(&sum, data, len);
	if (len != shard->stored || !hash_equal(&sum, &shard->sum))
		return err_set(e, -EBADMSG,
			       "it is damaged, or another than its tree means");
	if (zero || plain != shard->plain)
		return err_set(e, -EBADMSG, "its head makes no sense");
	r = catalog_decode(&cat, plain, s.p, s.left, &range, e);
	if (r)
		return r;
	if (catalog_count(cat) != shard->entries)
		return err_set(e, -EBADMSG, "%u entries instead of %u",
			       catalog_count(cat), shard->entries);
	*ret_cat = TAKE_PTR(cat);
	return 0;
}
