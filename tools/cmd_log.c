/*
 * assetctl log: options and output.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "s3/base/human.h"
#include "s3/base/log.h"
#include "tools/cmd.h"
#include "tools/cmdline.h"
#include "tools/history.h"
#include "tools/output.h"

enum {
	OPT_RESTORE = OPT_VERB_FIRST,
};

static const char help[] =
	"usage: assetctl log [OPTIONS] SOURCE[/PATH]\n"
	"\n"
	"Lists the versions of the tree that a path belongs to, the newest "
	"first.\n"
	"\n"
	"  --restore N            commit version N anew\n"
	"  --single-writer        commit although the server cannot keep two\n"
	"                         writers apart\n";

struct log_args {
	struct session_options session;
	uint64_t restore; /* 0: no */
	const char *source;
};

static int parse_number(const char *text, uint64_t *ret_number, struct err *e)
{
	char *end = NULL;
	unsigned long long n;

	errno = 0;
	n = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
	if (!n || errno || *end)
		return err_set(e, -EINVAL, "'%s' is no number of a version",
			       text);
	*ret_number = n;
	return 0;
}

static int take(void *arg, int opt, const char *value, struct err *e)
{
	struct log_args *a = arg;

	if (opt != OPT_RESTORE)
		return 0;
	return parse_number(value, &a->restore, e) ?: 1;
}

static const struct option options[] = {
	SESSION_LONG,
	SESSION_WRITER,
	{ "restore", required_argument, NULL, OPT_RESTORE },
	{ 0 },
};

static const struct cmdline cmdline = {
	.verb = "log",
	.help = help,
	.letters = SESSION_SHORT,
	.table = options,
	.take = take,
};

/* "2026-11-20T14:02:07Z" */
static void time_text(char out[32], int64_t when_s)
{
	time_t t = (time_t)when_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		(void)snprintf(out, 32, "%lld", (long long)when_s);
}

static void print_version(const struct history_version *v)
{
	char when[32], size[HUMAN_MAX], id[OBJECT_ID_HEX];

	time_text(when, v->commit_s);
	(void)printf("%6" PRIu64 "  %s  ", v->seq, when);
	if (v->removed) {
		(void)puts("no tree");
		return;
	}
	hex_encode(id, v->id.bytes, OBJECT_ID_LEN);
	human_size(size, v->bytes);
	if (v->counted)
		(void)printf("%8" PRIu64 " file%s  %9s  %s\n", v->files,
			     v->files == 1 ? " " : "s", size, id);
	else
		(void)printf("%25s  %s\n", "in shards", id);
}

static int add_version(json_t *list, const struct history_version *v)
{
	char id[OBJECT_ID_HEX];
	json_t *o = json_object();
	int r = output_set_number(o, "version", v->seq);

	hex_encode(id, v->id.bytes, OBJECT_ID_LEN);
	r |= json_object_set_new(o, "commit_time", json_integer(v->commit_s));
	r |= output_set_number(o, "size", v->object.size);
	r |= json_object_set_new(o, "removed", json_boolean(v->removed));
	if (!v->removed)
		r |= json_object_set_new(o, "id", json_string(id));
	if (v->counted) {
		r |= output_set_number(o, "files", v->files);
		r |= output_set_number(o, "bytes", v->bytes);
	}
	return r | json_array_append_new(list, o);
}

static int print_json(const struct history *h)
{
	json_t *list = json_array(), *o = json_object();
	int broken = output_set_name(o, "tree", h->dir);

	for (size_t i = 0; i < h->count; i++)
		if (!h->versions[i].gone)
			broken |= add_version(list, &h->versions[i]);
	broken |= json_object_set_new(o, "versions", list);
	return output_json(o, broken);
}

static int print(const struct log_args *a, const struct history *h)
{
	if (a->session.json)
		return print_json(h);
	for (size_t i = 0; i < h->count; i++)
		if (!h->versions[i].gone)
			print_version(&h->versions[i]);
	return EXIT_OK;
}

static int print_restored(const struct log_args *a, uint64_t seq, bool made)
{
	if (a->session.json)
		return output_json(
			json_pack("{s:s, s:I, s:I, s:b}", "verb", "log",
				  "restored", (json_int_t)a->restore, "version",
				  (json_int_t)seq, "made", (int)made),
			0);
	if (!a->session.quiet && made)
		(void)printf("version %" PRIu64 " restored as %" PRIu64 "\n",
			     a->restore, seq);
	else if (!a->session.quiet)
		(void)printf("version %" PRIu64 " is the same as the newest, "
			     "%" PRIu64 "\n",
			     a->restore, seq);
	return EXIT_OK;
}

static int restore(const struct log_args *a, const struct history *h,
		   struct session *session, int *ret_status, struct err *e)
{
	uint64_t seq = 0;
	bool made = false;
	int r = history_restore(h, session, a->restore,
				session->options.single_writer, &seq, &made, e);

	if (!r)
		*ret_status = print_restored(a, seq, made);
	return r;
}

static int run(const struct log_args *a)
{
	CLEANUP(history_done) struct history h = { 0 };
	struct session session;
	struct err e = { 0 };
	int status = EXIT_OK;
	int r = session_open(&session, a->source, &a->session, &e);

	if (r) {
		log_error("%s", e.text);
		return EXIT_FAILED;
	}
	r = history_read(&h, &session, session.source.prefix, !a->restore, &e);
	if (!r && a->restore)
		r = restore(a, &h, &session, &status, &e);
	else if (!r)
		status = print(a, &h);
	session_close(&session);
	if (r)
		log_error("log '%s': %s", a->source, e.text);
	if (r == -ECANCELED && session_interrupted())
		return EXIT_INTERRUPTED;
	return r ? EXIT_FAILED : status;
}

int cmd_log(int argc, char **argv)
{
	struct log_args a = { 0 };
	int status;

	session_options_init(&a.session);
	status =
		cmdline_source(&cmdline, &a.session, &a, argc, argv, &a.source);
	if (status < 0)
		status = run(&a);
	session_options_done(&a.session);
	return status;
}
