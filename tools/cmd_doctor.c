/*
 * assetctl doctor: what is right and wrong between this machine and a bucket.
 */
#include <stdio.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "tools/cmd.h"
#include "tools/cmdline.h"
#include "tools/doctor.h"
#include "tools/output.h"
#include "tools/quote.h"

enum {
	OPT_READ_ONLY = OPT_VERB_FIRST,
};

static const char help[] =
	"usage: assetctl doctor [OPTIONS] SOURCE\n"
	"\n"
	"Looks at the way to a bucket, the rights on it, how it is set up, "
	"and\n"
	"at this machine; says what to do where something is not well. Puts "
	"an\n"
	"object of a few bytes below .assetfs/ and deletes it.\n"
	"\n"
	"  --read-only            put nothing\n";

struct run {
	struct doctor doctor; /* first: found by it */
	struct session_options given, all;
	json_t *checks; /* NULL: for people */
	int lost; /* not 0: one of them, for want of memory */
};

static void print(struct doctor *d, enum doctor_status status,
		  const char *check, const char *text)
{
	CLEANUP_BUF struct buf line = BUF_INIT(8192);

	(void)d;
	(void)quote_terminal(&line, text, strlen(text));
	(void)printf("%-5s %-12s %s\n", doctor_status_name(status), check,
		     line.data ? line.data : "");
	(void)fflush(stdout); /* main looks at it */
}

static void keep(struct doctor *d, enum doctor_status status, const char *check,
		 const char *text)
{
	struct run *run = (struct run *)d;
	CLEANUP_BUF struct buf line = BUF_INIT(8192);

	(void)quote_terminal(&line, text, strlen(text));
	run->lost |= json_array_append_new(
		run->checks, json_pack("{s:s, s:s, s:s}", "check", check,
				       "status", doctor_status_name(status),
				       "text", line.data ? line.data : ""));
}

static int print_json(const struct run *run)
{
	const struct doctor *d = &run->doctor;
	json_t *o = json_object();
	int r = json_object_set_new(o, "verb", json_string("doctor"));

	r |= output_set_name(o, "source", d->source);
	r |= output_set_number(o, "warned", d->warned);
	r |= output_set_number(o, "failed", d->failed);
	r |= json_object_set(o, "checks", run->checks);
	return output_json(o, r | run->lost);
}

static int examine(struct run *run)
{
	struct doctor *d = &run->doctor;
	struct err e = { 0 };
	int status = EXIT_OK;

	if (session_settings(&run->all, d->source, &run->given, &e)) {
		log_error("%s", e.text);
		return EXIT_FAILED;
	}
	d->options = &run->all;
	d->found = print;
	if (run->given.json) {
		d->found = keep;
		run->checks = json_array();
	}
	doctor_store(d);
	if (!session_interrupted())
		doctor_host(d);
	if (run->given.json && !session_interrupted())
		status = print_json(run);
	json_decref(run->checks);
	if (session_interrupted())
		return EXIT_INTERRUPTED;
	return d->failed ? EXIT_FAILED : status;
}

static int take(void *arg, int opt, const char *value, struct err *e)
{
	struct run *run = arg;

	(void)value, (void)e;
	if (opt != OPT_READ_ONLY)
		return 0;
	run->doctor.read_only = true;
	return 1;
}

static const struct option options[] = {
	SESSION_LONG,
	{ "read-only", no_argument, NULL, OPT_READ_ONLY },
	{ 0 },
};

static const struct cmdline cmdline = {
	.verb = "doctor",
	.help = help,
	.letters = SESSION_SHORT,
	.table = options,
	.take = take,
};

int cmd_doctor(int argc, char **argv)
{
	struct run run = { .checks = NULL };
	int status;

	session_options_init(&run.given);
	session_options_init(&run.all);
	status = cmdline_source(&cmdline, &run.given, &run, argc, argv,
				&run.doctor.source);
	if (status < 0)
		status = examine(&run);
	session_options_done(&run.given);
	session_options_done(&run.all);
	return status;
}
