#include "tools/listing.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tools/output.h"
#include "tools/quote.h"

#define NS_PER_S 1000000000

/* Rounds down, so that times before the epoch have a positive fraction too. */
static void split_time(int64_t ns, int64_t *ret_s, long *ret_ns)
{
	int64_t s = ns / NS_PER_S;
	long rest = (long)(ns % NS_PER_S);

	if (rest < 0) {
		rest += NS_PER_S;
		s--;
	}
	*ret_s = s;
	*ret_ns = rest;
}

static const char *type_name(mode_t mode, const char *link)
{
	return S_ISDIR(mode) ? "dir" : S_ISLNK(mode) ? link : "file";
}

static int add_name(struct buf *out, const struct listing_style *style,
		    const char *name)
{
	if (style->terminal)
		return quote_terminal(out, name, strlen(name));
	return buf_add_str(out, name);
}

/* "-rwxr-xr-x", as ls(1) has it. */
static void mode_text(char out[11], mode_t mode)
{
	static const char bits[] = "rwxrwxrwx";

	out[0] = S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : '-';
	for (int i = 0; i < 9; i++)
		out[1 + i] = '-';
	for (int i = 0; i < 9; i++)
		if (mode & (0400u >> i))
			out[1 + i] = bits[i];
	if (mode & S_ISUID)
		out[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		out[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		out[9] = mode & S_IXOTH ? 't' : 'T';
	out[10] = '\0';
}

static int add_long(struct buf *out, const struct listing_style *style,
		    const struct view_node *node, const char *name,
		    const char *target)
{
	static const char *const stands[] = {
		[VIEW_DIR] = "-",
		[VIEW_PACKED] = "packed",
		[VIEW_PLAIN] = "plain",
	};
	char mode[11], when[32] = "?";
	int64_t seconds;
	long ns;
	time_t t;
	struct tm tm;

	mode_text(mode, node->mode);
	split_time(node->mtime_ns, &seconds, &ns);
	t = (time_t)seconds;
	if (localtime_r(&t, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)buf_addf(out, "%s %5u %5u %12" PRIu64 " %s %-6s ", mode,
		       (unsigned int)node->uid, (unsigned int)node->gid,
		       node->size, when, stands[node->kind]);
	(void)add_name(out, style, name);
	if (target) {
		(void)buf_add_str(out, " -> ");
		(void)add_name(out, style, target);
	}
	return buf_add_char(out, '\n');
}

static int add_mtree(struct buf *out, const struct view_node *node,
		     const char *name, const char *target)
{
	int64_t seconds;
	long ns;

	split_time(node->mtime_ns, &seconds, &ns);
	(void)buf_add_str(out, *name ? "./" : ".");
	(void)quote_mtree(out, name, strlen(name));
	(void)buf_addf(out, " type=%s mode=%04o uid=%u gid=%u",
		       type_name(node->mode, "link"),
		       (unsigned int)node->mode & 07777,
		       (unsigned int)node->uid, (unsigned int)node->gid);
	if (S_ISREG(node->mode))
		(void)buf_addf(out, " size=%" PRIu64, node->size);
	/* A directory that nobody described has no time. */
	if (node->kind != VIEW_DIR || node->mtime_ns)
		(void)buf_addf(out, " time=%" PRId64 ".%09ld", seconds, ns);
	if (target) {
		(void)buf_add_str(out, " link=");
		(void)quote_mtree(out, target, strlen(target));
	}
	return buf_add_char(out, '\n');
}

static int fill_json(json_t *o, const struct view_node *node, const char *name,
		     const char *target)
{
	char mode[8];
	int r = output_set_name(o, "name", name);

	r |= json_object_set_new(o, "type",
				 json_string(type_name(node->mode, "symlink")));
	r |= output_set_number(o, "size", node->size);
	if (node->attrs_known || node->kind != VIEW_DIR)
		r |= json_object_set_new(
			o, "mtime_ns",
			json_integer((json_int_t)node->mtime_ns));
	if (node->kind != VIEW_DIR)
		r |= json_object_set_new(
			o, "packed", json_boolean(node->kind == VIEW_PACKED));
	if (node->attrs_known) {
		(void)snprintf(mode, sizeof(mode), "%04o",
			       (unsigned int)node->mode & 07777);
		r |= json_object_set_new(o, "mode", json_string(mode));
		r |= json_object_set_new(o, "uid", json_integer(node->uid));
		r |= json_object_set_new(o, "gid", json_integer(node->gid));
	}
	if (target)
		r |= output_set_name(o, "target", target);
	return r;
}

static int add_json(struct buf *out, const struct view_node *node,
		    const char *name, const char *target)
{
	json_t *o = json_object();

	return output_add_json(out, o, fill_json(o, node, name, target));
}

int listing_add(struct buf *out, const struct listing_style *style,
		const struct view_node *node, const char *name,
		const char *target)
{
	switch (style->format) {
	case LISTING_LONG:
		return add_long(out, style, node, name, target);
	case LISTING_MTREE:
		return add_mtree(out, node, name, target);
	case LISTING_JSON:
		return add_json(out, node, name, target);
	case LISTING_NAMES:
		break;
	}
	(void)add_name(out, style, name);
	return buf_add_char(out, '\n');
}
