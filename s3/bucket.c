#include "s3/bucket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/xml.h"

#define DOCUMENT_MAX (1 << 20)

void bucket_rules_done(struct bucket_rules *l)
{
	free(l->rules);
	*l = (struct bucket_rules){ 0 };
}

/* ---- documents ----------------------------------------------------------- */

static int versions_open(void *arg, int depth, const char *name)
{
	(void)arg;
	return depth > 1 || !strcmp(name, "VersioningConfiguration") ? 0
								     : -EBADMSG;
}

static int versions_close(void *arg, int depth, const char *name,
			  const char *text, size_t len)
{
	enum bucket_versions *v = arg;

	(void)len;
	if (depth != 2 || strcmp(name, "Status") != 0)
		return 0;
	if (!strcmp(text, "Enabled"))
		*v = BUCKET_VERSIONS_ENABLED;
	else if (!strcmp(text, "Suspended"))
		*v = BUCKET_VERSIONS_SUSPENDED;
	return 0;
}

int bucket_read_versions(enum bucket_versions *ret_versions, const void *data,
			 size_t len)
{
	static const struct xml_events events = { versions_open,
						  versions_close };
	enum bucket_versions v = BUCKET_VERSIONS_NEVER;
	int r = xml_read(data, len, &events, &v);

	if (!r)
		*ret_versions = v;
	return r;
}

/* Rules, with the child of Rule that is being read. */
struct reading {
	struct bucket_rules *list;
	char part[40];
	uint32_t days; /* of that part; 0: none said */
	char class[32];
};

static struct bucket_rule *current(struct reading *rd)
{
	return &rd->list->rules[rd->list->count - 1];
}

static int begin_rule(struct bucket_rules *l)
{
	struct bucket_rule *rules;

	if (l->count == BUCKET_RULES_MAX)
		return -EBADMSG;
	rules = reallocarray(l->rules, l->count + 1, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	l->rules = rules;
	rules[l->count++] = (struct bucket_rule){ .days = 0 };
	return 0;
}

static int rules_open(void *arg, int depth, const char *name)
{
	struct reading *rd = arg;

	if (depth == 1)
		return strcmp(name, "LifecycleConfiguration") ? -EBADMSG : 0;
	if (depth == 2)
		return strcmp(name, "Rule") ? -EBADMSG : begin_rule(rd->list);
	if (depth == 3) {
		(void)snprintf(rd->part, sizeof(rd->part), "%s", name);
		rd->days = 0;
		rd->class[0] = '\0';
	}
	return 0;
}

/* The parts that do something are whole at their end. */
static void end_part(struct bucket_rule *rule, const struct reading *rd)
{
	bool archives = !strcmp(rd->class, "GLACIER") ||
			!strcmp(rd->class, "DEEP_ARCHIVE");
	bool acts = true;

	if (!strcmp(rd->part, "Expiration"))
		rule->expires |= acts = rd->class[0] != '-';
	else if (!strcmp(rd->part, "NoncurrentVersionExpiration"))
		rule->expires_versions = true;
	else if (!strcmp(rd->part, "Transition") && archives)
		memcpy(rule->archive, rd->class, sizeof(rule->archive));
	else
		acts = false;
	if (acts && rd->days && (!rule->days || rd->days < rule->days))
		rule->days = rd->days;
	if (!strcmp(rd->part, "AbortIncompleteMultipartUpload"))
		rule->abort_days = rd->days;
}

static bool is_days(const char *name)
{
	return !strcmp(name, "Days") || !strcmp(name, "NoncurrentDays") ||
	       !strcmp(name, "DaysAfterInitiation");
}

static void part_field(struct reading *rd, const char *name, const char *text)
{
	struct bucket_rule *rule = current(rd);

	if (is_days(name))
		rd->days = (uint32_t)strtoul(text, NULL, 10);
	else if (!strcmp(name, "StorageClass"))
		(void)snprintf(rd->class, sizeof(rd->class), "%s", text);
	else if (!strcmp(name, "ExpiredObjectDeleteMarker"))
		/* This one deletes nothing that could be read. */
		(void)snprintf(rd->class, sizeof(rd->class), "-");
	else if (!strcmp(name, "Tag") || !strncmp(name, "ObjectSize", 10))
		rule->narrowed = true;
}

static int rules_close(void *arg, int depth, const char *name, const char *text,
		       size_t len)
{
	struct reading *rd = arg;
	struct bucket_rule *rule = depth > 2 ? current(rd) : NULL;

	if (depth < 3)
		return 0;
	if (!strcmp(name, "Prefix")) {
		if (len >= sizeof(rule->prefix))
			return -EBADMSG;
		memcpy(rule->prefix, text, len + 1);
	} else if (depth == 3 && !strcmp(name, "ID")) {
		(void)snprintf(rule->id, sizeof(rule->id), "%s", text);
	} else if (depth == 3 && !strcmp(name, "Status")) {
		rule->enabled = !strcmp(text, "Enabled");
	} else if (depth == 3) {
		end_part(rule, rd);
	} else {
		part_field(rd, name, text);
	}
	return 0;
}

int bucket_read_rules(struct bucket_rules *ret_rules, const void *data,
		      size_t len)
{
	static const struct xml_events events = { rules_open, rules_close };
	struct bucket_rules l = { 0 };
	struct reading rd = { .list = &l };
	int r = xml_read(data, len, &events, &rd);

	if (r) {
		bucket_rules_done(&l);
		return r;
	}
	*ret_rules = l;
	return 0;
}

/* ---- asking -------------------------------------------------------------- */

static int ask(struct store *s, const char *what, uint32_t timeout_ms,
	       struct buf *out, struct err *e)
{
	CLEANUP_REQ struct store_req req;

	store_req_init(&req, STORE_CONFIG, what);
	req.timeout_ms = timeout_ms;
	req.out = out;
	return store_run(s, &req, e);
}

static int unreadable(int r, struct err *e)
{
	return r ? err_set(e, r, "the reply cannot be read: %s", strerror(-r))
		 : 0;
}

int bucket_ask_versions(struct store *s, uint32_t timeout_ms,
			enum bucket_versions *ret_versions, struct err *e)
{
	CLEANUP_BUF struct buf out = BUF_INIT(DOCUMENT_MAX);
	int r = ask(s, "versioning", timeout_ms, &out, e);

	if (r)
		return r;
	return unreadable(bucket_read_versions(ret_versions,
					       out.data ? out.data : "",
					       out.len),
			  e);
}

int bucket_ask_rules(struct store *s, uint32_t timeout_ms,
		     struct bucket_rules *ret_rules, struct err *e)
{
	CLEANUP_BUF struct buf out = BUF_INIT(DOCUMENT_MAX);
	int r = ask(s, "lifecycle", timeout_ms, &out, e);

	if (r == -ENOENT) {
		*ret_rules = (struct bucket_rules){ 0 };
		return 0;
	}
	if (r)
		return r;
	return unreadable(
		bucket_read_rules(ret_rules, out.data ? out.data : "", out.len),
		e);
}
