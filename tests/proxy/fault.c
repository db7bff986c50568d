/*
 * The file is small and read whole. A mistake in it would make a test pass
 * for nothing, so the proxy ends rather than skip a line.
 */
#include "tests/proxy/fault.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *word;
	enum fault_action action;
	int n_arguments;
} actions[] = {
	{ "status", FAULT_STATUS, 2 },
	{ "ok-error", FAULT_STATUS, 1 },
	{ "key-error", FAULT_STATUS, 1 },
	{ "404", FAULT_STATUS, 0 },
	{ "403", FAULT_STATUS, 0 },
	{ "cut-before", FAULT_CUT_BEFORE, 0 },
	{ "stall", FAULT_STALL, 0 },
	{ "lose-answer", FAULT_LOSE_ANSWER, 0 },
	{ "cut", FAULT_CUT, 1 },
	{ "stall-body", FAULT_STALL_BODY, 1 },
	{ "short", FAULT_SHORT, 0 },
	{ "flip", FAULT_FLIP, 1 },
	{ "close-keepalive", FAULT_CLOSE_KEEPALIVE, 0 },
	{ "delay", FAULT_DELAY, 1 },
	{ "flip-up", FAULT_FLIP_UP, 1 },
	{ "twice", FAULT_TWICE, 0 },
	{ "repeat-answer", FAULT_REPEAT_ANSWER, 0 },
	{ "away", FAULT_AWAY, 1 },
};
#define N_ACTIONS (sizeof(actions) / sizeof(actions[0]))

void faults_init(struct faults *fs, const char *file)
{
	*fs = (struct faults){ .file = file };
}

void faults_done(struct faults *fs)
{
	free(fs->rules);
	fs->rules = NULL;
	fs->n_rules = 0;
}

void faults_reload(struct faults *fs)
{
	fs->read = (struct stat){ 0 };
}

static int parse_nth(const char *nth, struct fault_rule *rule)
{
	char *end;

	rule->first = 1;
	rule->last = UINT64_MAX;
	if (!strcmp(nth, "*"))
		return 0;
	rule->first = strtoull(nth, &end, 10);
	if (!rule->first)
		return -1;
	if (*end == '\0')
		rule->last = rule->first;
	else if (*end != '-')
		return -1;
	else if (end[1])
		rule->last = strtoull(end + 1, &end, 10);
	else
		end++;
	return *end ? -1 : 0;
}

static int parse_action(const char *word, char arguments[2][FAULT_WORD], int n,
			struct fault *f)
{
	size_t i = 0;
	char *end = NULL;

	while (i < N_ACTIONS && strcmp(actions[i].word, word) != 0)
		i++;
	if (i == N_ACTIONS || actions[i].n_arguments != n)
		return -1;
	f->action = actions[i].action;
	snprintf(f->name, sizeof(f->name), "%s", word);
	if (f->action != FAULT_STATUS) {
		if (n)
			f->value = strtoull(arguments[0], &end, 10);
	} else if (n == 2) {
		f->status = (int)strtoul(arguments[0], &end, 10);
		memcpy(f->code, arguments[1], FAULT_WORD);
	} else if (n == 1) {
		f->status = 200;
		f->of_key = !strcmp(word, "key-error");
		memcpy(f->code, arguments[0], FAULT_WORD);
	} else {
		f->status = atoi(word);
		snprintf(f->code, sizeof(f->code), "%s",
			 f->status == 404 ? "NoSuchKey" : "AccessDenied");
	}
	return end && *end ? -1 : 0;
}

static int parse_rule(const char *line, struct fault_rule *rule)
{
	char nth[64], word[24], arguments[2][FAULT_WORD] = { 0 };
	int n = sscanf(line, "%15s %255s %63s %23s %63s %63s", rule->kind,
		       rule->path, nth, word, arguments[0], arguments[1]);

	if (n < 4 || parse_nth(nth, rule) < 0)
		return -1;
	return parse_action(word, arguments, n - 4, &rule->fault);
}

static void faults_read(struct faults *fs)
{
	FILE *in = fopen(fs->file, "re");
	char line[1024];

	if (!in)
		err(1, "%s", fs->file);
	faults_done(fs);
	while (fgets(line, sizeof(line), in)) {
		struct fault_rule rule = { 0 };

		if (line[0] == '#' || line[strspn(line, " \t\n")] == '\0')
			continue;
		if (parse_rule(line, &rule) < 0)
			errx(1, "%s: not a rule: %s", fs->file, line);
		fs->rules = reallocarray(fs->rules, fs->n_rules + 1,
					 sizeof(*fs->rules));
		if (!fs->rules)
			errx(1, "out of memory");
		fs->rules[fs->n_rules++] = rule;
	}
	fclose(in);
}

static bool same_version(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

struct fault faults_look_up(struct faults *fs, const char *kind,
			    const char *target)
{
	struct fault found = { .action = FAULT_NONE, .name = "-" };
	struct stat now;

	if (!fs->file)
		return found;
	if (stat(fs->file, &now) < 0) {
		if (errno != ENOENT)
			err(1, "%s", fs->file);
		faults_done(fs);
		faults_reload(fs);
		return found;
	}
	if (!same_version(&now, &fs->read)) {
		faults_read(fs);
		fs->read = now;
	}
	for (size_t i = 0; i < fs->n_rules; i++) {
		struct fault_rule *r = &fs->rules[i];

		if ((strcmp(r->kind, "*") && strcmp(r->kind, kind)) ||
		    (strcmp(r->path, "*") && !strstr(target, r->path)))
			continue;
		r->seen++;
		if (found.action == FAULT_NONE && r->seen >= r->first &&
		    r->seen <= r->last)
			found = r->fault;
	}
	return found;
}
