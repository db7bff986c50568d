/*
 * store_ask SOURCE OP [KEY]: one request of a store, within 3 s, and how it
 * ended: "0", or the negative errno and the message. OP is get, head, put,
 * delete or list.
 */
#include <stdio.h>
#include <string.h>

#include "s3/source.h"
#include "s3/store.h"

static const struct {
	const char *word;
	enum store_op op;
} ops[] = {
	{ "get", STORE_GET },	{ "head", STORE_HEAD },
	{ "put", STORE_PUT },	{ "delete", STORE_DELETE },
	{ "list", STORE_LIST },
};

static int ask(struct store *s, const char *word, const char *key)
{
	struct buf out = BUF_INIT(1 << 20);
	struct store_req req;
	struct err e = { .code = 0 };
	int r = 2;

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(word, ops[i].word))
			continue;
		store_req_init(&req, ops[i].op, key);
		req.out = ops[i].op == STORE_GET ? &out : NULL;
		req.timeout_ms = 3000;
		r = store_run(s, &req, &e);
		printf("%d %s\n", r, e.text);
		store_req_done(&req);
		r = r ? 1 : 0;
	}
	buf_done(&out);
	return r;
}

int main(int argc, char **argv)
{
	struct source_options o;
	struct source s = { NULL, NULL };
	struct err e = { .code = 0 };
	int r;

	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: store_ask SOURCE OP [KEY]\n");
		return 2;
	}
	source_options_init(&o);
	r = source_open(&s, argv[1], &o, &e);
	source_options_done(&o);
	if (r) {
		printf("%d %s\n", r, e.text);
		return 1;
	}
	r = ask(s.store, argv[2], argc > 3 ? argv[3] : "");
	source_done(&s);
	return r;
}
