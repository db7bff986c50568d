/*
 * The cost is planned as a sequential reader's fetch plans it: frames of one
 * blob in the order of their places, near ones joined.
 */
#include "tools/stat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/fetch_unit.h"
#include "cache/names.h"
#include "tools/output.h"
#include "tools/quote.h"
#include "tools/want.h"

#define NS_PER_S 1000000000

static bool is_packed_file(const struct view_node *node)
{
	return node->kind == VIEW_PACKED && S_ISREG(node->mode);
}

static uint32_t blocks_of(const struct view_node *node)
{
	return is_packed_file(node) && want_is_sound(node)
		       ? (uint32_t)block_count(node->size)
		       : 0;
}

static int compare_places(const void *a, const void *b)
{
	const struct frame_place *x = a, *y = b;
	int r = memcmp(&x->blob, &y->blob, sizeof(x->blob));

	if (r)
		return r;
	return x->off < y->off ? -1 : x->off > y->off;
}

static void cost_of_frames(const struct frame_place *places, size_t count,
			   struct stat_cost *cost)
{
	uint64_t begin = 0, end = 0;

	for (size_t i = 0; i < count; i++) {
		const struct frame_place *p = &places[i];
		uint64_t p_end = p->off + p->stored;

		if (i && !compare_places(p, p - 1))
			continue;
		if (!i || memcmp(&p->blob, &(p - 1)->blob, sizeof(p->blob)) ||
		    (p->off > end && p->off - end >= FETCH_GAP_MAX) ||
		    p_end - begin > FETCH_RANGE_MAX) {
			cost->requests++;
			begin = p->off;
			end = begin;
		}
		cost->bytes += p_end > end ? p_end - end : 0;
		end = p_end > end ? p_end : end;
	}
}

void stat_cost(const struct view_node *node, struct stat_cost *ret_cost)
{
	uint32_t count = blocks_of(node);
	struct frame_place *places;

	*ret_cost = (struct stat_cost){ 0 };
	if (node->kind == VIEW_PLAIN) {
		ret_cost->bytes = node->object.size;
		ret_cost->requests = (node->object.size + FETCH_RANGE_MAX - 1) /
				     FETCH_RANGE_MAX;
		return;
	}
	places = count ? calloc(count, sizeof(*places)) : NULL;
	if (!places)
		return;
	for (uint32_t i = 0; i < count; i++) {
		struct block block;

		want_block(node, i, &block);
		places[i] = block.frame;
	}
	qsort(places, count, sizeof(*places), compare_places);
	cost_of_frames(places, count, ret_cost);
	free(places);
}

static const char *kind_of(const struct view_node *node)
{
	if (node->kind == VIEW_DIR)
		return "dir";
	if (S_ISLNK(node->mode))
		return "symlink";
	return "file";
}

static const char *stands(const struct view_node *node)
{
	return node->kind == VIEW_PLAIN ? "plain"
	       : node->tree		? "packed"
					: NULL;
}

static bool is_cached(const struct location *at, const struct block *block)
{
	return at->session.cache && cache_has(at->session.cache, &block->hash);
}

/* The key of a block's blob. */
static int blob_key(struct buf *out, const struct view_node *node,
		    const struct block *block)
{
	return name_blob(out, node->tree->pool, &block->frame.blob);
}

static void add_time(struct buf *out, const char *label, int64_t ns)
{
	int64_t rest = ns % NS_PER_S;
	time_t seconds;
	char when[32] = "?";
	struct tm tm;

	if (rest < 0)
		rest += NS_PER_S;
	seconds = (time_t)((ns - rest) / NS_PER_S);
	if (localtime_r(&seconds, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)buf_addf(out, "%s%s.%09" PRId64 "\n", label, when, rest);
}

static void add_block(struct buf *out, const struct location *at, uint32_t i)
{
	struct block block;
	char hex[HASH_HEX];

	want_block(at->node, i, &block);
	hex_encode(hex, block.hash.bytes, HASH_LEN);
	(void)buf_addf(out, "  %" PRIu32 "  %s  %" PRIu32 " bytes  ", i, hex,
		       block.len);
	(void)blob_key(out, at->node, &block);
	(void)buf_addf(out,
		       " %" PRIu64 "+%" PRIu32 " %s, at %" PRIu32 " of %" PRIu32
		       "%s\n",
		       block.frame.off, block.frame.stored,
		       block.frame.codec == CODEC_RAW ? "raw" : "zstd",
		       block.off, block.frame.raw,
		       is_cached(at, &block) ? "  cached" : "");
}

static void add_version(struct buf *out, const struct view_node *node)
{
	struct catalog_entry entry;

	if (node->kind == VIEW_PLAIN) {
		(void)buf_addf(out, "key:      %s\n", node->key);
		(void)buf_addf(out, "etag:     %s\n", node->object.etag);
		add_time(out, "written:  ", node->object.modified_s * NS_PER_S);
		return;
	}
	if (!node->tree)
		return;
	want_entry(node, &entry);
	(void)buf_addf(out, "tree:     /%s version %" PRIu64 "\n",
		       node->tree->dir, node->tree->seq);
	add_time(out, "written:  ", entry.commit_s * NS_PER_S);
}

static void add_cost(struct buf *out, const struct location *at)
{
	struct stat_cost cost;
	uint32_t count = blocks_of(at->node), cached = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct block block;

		want_block(at->node, i, &block);
		cached += is_cached(at, &block);
	}
	if (is_packed_file(at->node))
		(void)buf_addf(out,
			       "blocks:   %" PRIu32 ", %" PRIu32
			       " of them in the cache\n",
			       count, cached);
	for (uint32_t i = 0; i < count; i++)
		add_block(out, at, i);
	stat_cost(at->node, &cost);
	if (at->node->kind != VIEW_DIR)
		(void)buf_addf(out,
			       "cold:     %" PRIu64 " request%s, %" PRIu64
			       " bytes\n",
			       cost.requests, cost.requests == 1 ? "" : "s",
			       cost.bytes);
}

int stat_text(struct buf *out, const struct location *at, const char *shown,
	      const char *target)
{
	const struct view_node *node = at->node;
	const char *where = stands(node);

	(void)buf_add_str(out, "path:     ");
	(void)quote_terminal(out, shown, strlen(shown));
	(void)buf_addf(out, "\ntype:     %s%s%s\n", kind_of(node),
		       where ? ", " : "", where ? where : "");
	if (target) {
		(void)buf_add_str(out, "target:   ");
		(void)quote_terminal(out, target, strlen(target));
		(void)buf_add_char(out, '\n');
	}
	if (node->kind != VIEW_DIR)
		(void)buf_addf(out, "size:     %" PRIu64 "\n", node->size);
	(void)buf_addf(out, "mode:     %04o\nowner:    %u:%u\n",
		       (unsigned int)node->mode & 07777,
		       (unsigned int)node->uid, (unsigned int)node->gid);
	/* A directory that nobody described has no time. */
	if (node->kind != VIEW_DIR || node->mtime_ns)
		add_time(out, "mtime:    ", node->mtime_ns);
	if (node->hides)
		(void)buf_addf(out, "hides:    a file of %" PRIu64 " bytes\n",
			       node->hides);
	add_version(out, node);
	add_cost(out, at);
	return buf_error(out);
}

/* ---- JSON ---------------------------------------------------------------- */

static json_t *block_json(const struct location *at, uint32_t i)
{
	CLEANUP_BUF struct buf key = BUF_INIT(2 * STORE_KEY_MAX);
	struct block block;
	char hex[HASH_HEX];

	want_block(at->node, i, &block);
	hex_encode(hex, block.hash.bytes, HASH_LEN);
	if (blob_key(&key, at->node, &block))
		return NULL;
	return json_pack("{s:s,s:I,s:s,s:I,s:I,s:I,s:s,s:I,s:b}", "sha256", hex,
			 "len", (json_int_t)block.len, "blob", key.data,
			 "frame_offset", (json_int_t)block.frame.off,
			 "frame_stored", (json_int_t)block.frame.stored,
			 "frame_raw", (json_int_t)block.frame.raw, "codec",
			 block.frame.codec == CODEC_RAW ? "raw" : "zstd",
			 "offset", (json_int_t)block.off, "cached",
			 (int)is_cached(at, &block));
}

static json_t *blocks_json(const struct location *at)
{
	json_t *blocks = json_array();

	for (uint32_t i = 0; blocks && i < blocks_of(at->node); i++) {
		if (json_array_append_new(blocks, block_json(at, i))) {
			json_decref(blocks);
			return NULL;
		}
	}
	return blocks;
}

static int set_version(json_t *o, const struct view_node *node)
{
	struct catalog_entry entry;
	int r = 0;

	if (node->kind == VIEW_PLAIN) {
		r |= output_set_name(o, "key", node->key);
		r |= output_set_name(o, "etag", node->object.etag);
		return r | json_object_set_new(
				   o, "written_s",
				   json_integer(node->object.modified_s));
	}
	if (!node->tree)
		return 0;
	want_entry(node, &entry);
	r |= output_set_name(o, "tree", node->tree->dir);
	r |= output_set_number(o, "tree_version", node->tree->seq);
	return r | json_object_set_new(o, "written_s",
				       json_integer(entry.commit_s));
}

static int fill_json(json_t *o, const struct location *at, const char *shown,
		     const char *target)
{
	const struct view_node *node = at->node;
	struct stat_cost cost;
	char mode[8];
	int r = output_set_name(o, "path", shown);

	(void)snprintf(mode, sizeof(mode), "%04o",
		       (unsigned int)node->mode & 07777);
	r |= json_object_set_new(o, "type", json_string(kind_of(node)));
	if (stands(node))
		r |= json_object_set_new(
			o, "packed", json_boolean(node->kind != VIEW_PLAIN));
	if (target)
		r |= output_set_name(o, "target", target);
	if (node->kind != VIEW_DIR)
		r |= output_set_number(o, "size", node->size);
	r |= json_object_set_new(o, "mode", json_string(mode));
	r |= json_object_set_new(o, "uid", json_integer(node->uid));
	r |= json_object_set_new(o, "gid", json_integer(node->gid));
	if (node->kind != VIEW_DIR || node->mtime_ns)
		r |= json_object_set_new(o, "mtime_ns",
					 json_integer(node->mtime_ns));
	if (node->hides)
		r |= output_set_number(o, "hides", node->hides);
	r |= set_version(o, node);
	if (is_packed_file(node))
		r |= json_object_set_new(o, "blocks", blocks_json(at));
	if (node->kind == VIEW_DIR)
		return r;
	stat_cost(node, &cost);
	r |= output_set_number(o, "cold_requests", cost.requests);
	return r | output_set_number(o, "cold_bytes", cost.bytes);
}

int stat_json(struct buf *out, const struct location *at, const char *shown,
	      const char *target)
{
	json_t *o = json_object();

	return output_add_json(out, o, fill_json(o, at, shown, target));
}
