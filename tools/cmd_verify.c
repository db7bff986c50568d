/*
 * assetctl verify: all content below a place, from the store.
 */
#include <errno.h>
#include <inttypes.h>

#include "s3/base/clock.h"
#include "s3/base/human.h"
#include "s3/base/log.h"
#include "s3/bill.h"
#include "tools/cmd.h"
#include "tools/cmdline.h"
#include "tools/output.h"
#include "tools/verify.h"

#define TEXT_MAX 4096

enum {
	OPT_LIST_ONLY = OPT_VERB_FIRST,
};

static const char help[] =
	"usage: assetctl verify [OPTIONS] SOURCE[/PATH]\n"
	"\n"
	"Reads all content of a file, or of all files below, from the store "
	"and\n"
	"checks it. Names what is wrong; exit status 1 then.\n"
	"\n"
	"  --list-only            only that blobs are there and long enough\n";

struct verify_cmd {
	struct session_options options;
	const char *source;
	bool list_only;
	json_t *bad; /* with --json */
	int lost; /* not 0: one of them, for want of memory */
};

static void on_bad(void *arg, const struct verify_bad *bad)
{
	struct verify_cmd *cmd = arg;
	char hex[HASH_HEX] = "";
	json_t *o;
	int r;

	if (bad->block)
		hex_encode(hex, bad->block->bytes, HASH_LEN);
	log_error("'%s': %s%s%s%s%s%s", bad->path, bad->blob ? "blob " : "",
		  bad->blob ?: "", *hex ? ", block " : "", hex,
		  bad->blob ? ": " : "", bad->text);
	if (!cmd->options.json)
		return;
	o = json_object();
	r = output_set_name(o, "path", bad->path);
	if (bad->blob)
		r |= output_set_name(o, "blob", bad->blob);
	if (*hex)
		r |= json_object_set_new(o, "sha256", json_string(hex));
	r |= output_set_name(o, "error", bad->text);
	r |= json_array_append_new(cmd->bad, o);
	cmd->lost |= r;
}

struct outcome {
	struct verify_result result;
	struct store_counts counts;
	double seconds;
	bool unbilled;
};

static int print_text(const struct outcome *x, bool list_only)
{
	CLEANUP_BUF struct buf out = BUF_INIT(TEXT_MAX);
	const struct verify_result *r = &x->result;

	(void)buf_addf(&out, "%s %" PRIu64 " file%s",
		       list_only ? "listed the content of" : "verified",
		       r->files, r->files == 1 ? "" : "s");
	(void)human_add_size(&out, ", ", r->bytes, "");
	(void)buf_addf(&out,
		       " in %.1f s: %" PRIu64 " blocks in %" PRIu64
		       " frames of %" PRIu64 " blobs",
		       x->seconds, r->blocks, r->frames, r->blobs);
	if (r->plain)
		(void)buf_addf(&out, ", %" PRIu64 " plain", r->plain);
	if (r->unproven)
		(void)buf_addf(&out, " (%" PRIu64 " without a hash)",
			       r->unproven);
	(void)buf_addf(&out, "; %" PRIu64 " bad; ", r->bad);
	(void)bill_add_requests(&out, &x->counts);
	if (!x->unbilled)
		(void)bill_add_price(&out, &x->counts);
	return output_line(&out);
}

static int print_json(const struct outcome *x, const struct verify_cmd *cmd,
		      bool complete)
{
	const struct verify_result *v = &x->result;
	json_t *o = json_object();
	int r = json_object_set_new(o, "verb", json_string("verify"));

	r |= json_object_set_new(o, "list_only", json_boolean(cmd->list_only));
	r |= json_object_set_new(o, "complete", json_boolean(complete));
	r |= output_set_number(o, "files", v->files);
	r |= output_set_number(o, "dirs", v->dirs);
	r |= output_set_number(o, "symlinks", v->symlinks);
	r |= output_set_number(o, "bytes", v->bytes);
	r |= output_set_number(o, "blocks", v->blocks);
	r |= output_set_number(o, "frames", v->frames);
	r |= output_set_number(o, "blobs", v->blobs);
	r |= output_set_number(o, "plain", v->plain);
	r |= output_set_number(o, "unproven", v->unproven);
	r |= output_set_number(o, "indexes", v->indexes);
	r |= output_set_number(o, "bad_count", v->bad);
	r |= json_object_set(o, "bad", cmd->bad);
	r |= output_set_number(o, "requests_total", bill_requests(&x->counts));
	r |= output_set_number(o, "bytes_in", x->counts.bytes_in);
	r |= json_object_set_new(o, "seconds", json_real(x->seconds));
	r |= json_object_set_new(
		o, "price_usd",
		json_real(x->unbilled ? 0 : bill_price(&x->counts)));
	return output_json(o, r | cmd->lost);
}

static int run(struct verify_cmd *cmd, struct location *at)
{
	struct verify_job job = {
		.at = at,
		.list_only = cmd->list_only,
		.bad = on_bad,
		.arg = cmd,
	};
	struct outcome x = { .unbilled = at->session.unbilled };
	int r, status = EXIT_OK;

	job.progress = progress_start("verify", cmd->options.quiet);
	r = verify_run(&job, &x.result);
	progress_stop(job.progress);
	store_counts(at->session.source.store, &x.counts);
	x.seconds = (double)(clock_now_ns() - at->session.started_ns) / 1e9;
	if (cmd->options.json)
		status = print_json(&x, cmd, !r);
	else if (!cmd->options.quiet && !r)
		status = print_text(&x, cmd->list_only);
	if (r == -EINTR || session_interrupted()) {
		log_error("interrupted");
		return EXIT_INTERRUPTED;
	}
	if (r == -ENOMEM)
		log_error("out of memory");
	return r || x.result.bad ? EXIT_FAILED : status;
}

static int verify(struct verify_cmd *cmd)
{
	struct location at;
	struct err e = { 0 };
	int status;

	cmd->options.no_cache = true;
	cmd->bad = json_array();
	if (!cmd->bad ||
	    location_open(&at, cmd->source, &cmd->options, false, &e)) {
		log_error("%s", cmd->bad ? e.text : "out of memory");
		status = session_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
	} else {
		status = run(cmd, &at);
		location_close(&at);
	}
	json_decref(cmd->bad);
	return status;
}

static int take(void *arg, int opt, const char *value, struct err *e)
{
	struct verify_cmd *cmd = arg;

	(void)value, (void)e;
	if (opt != OPT_LIST_ONLY)
		return 0;
	cmd->list_only = true;
	return 1;
}

static const struct option options[] = {
	SESSION_LONG,
	{ "list-only", no_argument, NULL, OPT_LIST_ONLY },
	{ 0 },
};

static const struct cmdline cmdline = {
	.verb = "verify",
	.help = help,
	.letters = SESSION_SHORT,
	.table = options,
	.take = take,
};

int cmd_verify(int argc, char **argv)
{
	struct verify_cmd cmd = { 0 };
	int status;

	session_options_init(&cmd.options);
	status = cmdline_source(&cmdline, &cmd.options, &cmd, argc, argv,
				&cmd.source);
	if (status < 0)
		status = verify(&cmd);
	session_options_done(&cmd.options);
	return status;
}
