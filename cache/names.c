/*
 * Names are built and judged here and nowhere else, so that what one program
 * writes another recognises. Judging is strict: a key that only resembles one
 * of ours is somebody's file.
 */
#include "cache/names.h"

#include <string.h>

#define SEQ_DIGITS 16

int name_tree(struct buf *out, const char *dir, uint64_t seq)
{
	return buf_addf(out, "%s" TREE_PREFIX "%016llx", dir,
			(unsigned long long)(UINT64_MAX - seq));
}

static int add_id(struct buf *out, const struct object_id *id)
{
	char hex[OBJECT_ID_HEX];

	hex_encode(hex, id->bytes, OBJECT_ID_LEN);
	return buf_add_str(out, hex);
}

int name_blob(struct buf *out, const char *pool, const struct object_id *id)
{
	(void)buf_addf(out, "%s" POOL_DIR "blob/", pool); /* sticky */
	return add_id(out, id);
}

int name_shard(struct buf *out, const char *pool, const struct object_id *id)
{
	(void)buf_addf(out, "%s" POOL_DIR "shard/", pool); /* sticky */
	return add_id(out, id);
}

int name_index(struct buf *out, const char *pool, int64_t time_s,
	       const struct object_id *id)
{
	/* sticky */
	(void)buf_addf(out, "%s" POOL_DIR "index/%016llx-", pool,
		       (unsigned long long)time_s);
	return add_id(out, id);
}

int name_gclist(struct buf *out, const char *pool, uint64_t n)
{
	return buf_addf(out, "%s" POOL_DIR "gc/%016llx", pool,
			(unsigned long long)n);
}

/* 16 lower-case hex digits. */
static bool parse_u64(const char *digits, uint64_t *ret_value)
{
	unsigned char big[SEQ_DIGITS / 2];
	uint64_t v = 0;

	if (hex_decode(big, sizeof(big), digits, SEQ_DIGITS))
		return false;
	for (size_t i = 0; i < sizeof(big); i++)
		v = v << 8 | big[i];
	*ret_value = v;
	return true;
}

static bool parse_id(const char *digits, size_t len, struct object_id *ret_id)
{
	return len == OBJECT_ID_HEX - 1 &&
	       !hex_decode(ret_id->bytes, OBJECT_ID_LEN, digits, len);
}

/* Steps over `word` at the beginning of the key. */
static bool skip(const char **key, size_t *len, const char *word)
{
	size_t n = strlen(word);

	if (*len < n || memcmp(*key, word, n))
		return false;
	*key += n;
	*len -= n;
	return true;
}

static bool parse_index(const char *key, size_t len, struct pool_name *n)
{
	uint64_t time;

	if (len <= SEQ_DIGITS || key[SEQ_DIGITS] != '-' ||
	    !parse_u64(key, &time) || time > INT64_MAX)
		return false;
	n->time_s = (int64_t)time;
	return parse_id(key + SEQ_DIGITS + 1, len - SEQ_DIGITS - 1, &n->id);
}

bool name_parse_pool(const char *pool, const char *key, size_t len,
		     struct pool_name *ret_name)
{
	struct pool_name n = { 0 };
	bool good = false;

	if (!skip(&key, &len, pool) || !skip(&key, &len, POOL_DIR))
		return false;
	if (skip(&key, &len, "blob/")) {
		n.kind = POOL_BLOB;
		good = parse_id(key, len, &n.id);
	} else if (skip(&key, &len, "shard/")) {
		n.kind = POOL_SHARD;
		good = parse_id(key, len, &n.id);
	} else if (skip(&key, &len, "index/")) {
		n.kind = POOL_INDEX;
		good = parse_index(key, len, &n);
	} else if (skip(&key, &len, "gc/")) {
		n.kind = POOL_GCLIST;
		good = len == SEQ_DIGITS && parse_u64(key, &n.n) && n.n;
	}
	if (good)
		*ret_name = n;
	return good;
}

bool name_parse_tree(const char *name, size_t len, uint64_t *ret_seq)
{
	const size_t prefix = strlen(TREE_PREFIX);
	uint64_t v;

	if (len != prefix + SEQ_DIGITS || memcmp(name, TREE_PREFIX, prefix) ||
	    !parse_u64(name + prefix, &v) || v == UINT64_MAX)
		return false;
	*ret_seq = UINT64_MAX - v;
	return true;
}

bool name_is_reserved(const char *name, size_t len)
{
	const size_t prefix = strlen(TREE_PREFIX);
	const size_t pool_dir = strlen(POOL_DIR) - 1;

	if (len >= prefix && !memcmp(name, TREE_PREFIX, prefix))
		return true;
	return len == pool_dir && !memcmp(name, POOL_DIR, pool_dir);
}

bool path_is_reserved(const char *path)
{
	for (;;) {
		const char *end = strchrnul(path, '/');

		if (name_is_reserved(path, (size_t)(end - path)))
			return true;
		if (!*end)
			return false;
		path = end + 1;
	}
}

bool name_is_safe(const char *name, size_t len)
{
	if (!len || len > NAME_MAX_LEN)
		return false;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return false;
	return !memchr(name, '/', len) && !memchr(name, '\0', len);
}

bool path_is_safe(const char *path, size_t len)
{
	const char *end = path + len;

	if (!len || len > PATH_MAX_LEN)
		return false;
	for (;;) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		const char *stop = slash ? slash : end;

		if (!name_is_safe(path, (size_t)(stop - path)))
			return false;
		if (!slash)
			return true;
		path = slash + 1;
	}
}
