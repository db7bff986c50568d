/*
 * Names in listings: one key a line, sorted first, as a page of the whole
 * subtree and, with what is below their first slash cut off, of names only.
 * What is shown of it must be found again, and must be a safe name.
 */
#include "cache/page.h"

#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "tests/fuzz/fuzz.h"

static void must(bool good)
{
	if (!good)
		abort();
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void look(const struct page *p, const char *dir)
{
	struct store_object tree;
	struct page_child *all = NULL;
	size_t count = 0, hidden = 0;
	uint64_t seq;

	(void)page_marker(p, dir);
	(void)page_below(p, dir);
	(void)page_tree(p, dir, &seq, &tree);
	must(!page_children(p, dir, &all, &count, &hidden));
	for (size_t i = 0; i < count; i++) {
		struct page_child one;

		must(all[i].name_len &&
		     !memchr(all[i].name, '/', all[i].name_len));
		must(page_find(p, dir, all[i].name, all[i].name_len, &one));
		must(one.object == all[i].object &&
		     one.marker == all[i].marker && one.below == all[i].below);
	}
	free(all);
}

static void add(struct store_list *l, const char *key, bool recursive)
{
	const char *slash = recursive ? NULL : strchr(key, '/');
	struct store_object object = { .size = strlen(key),
				       .modified_s = key[0] };
	size_t len = slash ? (size_t)(slash - key) + 1 : strlen(key);

	if (!len || len > STORE_KEY_MAX)
		return;
	if (slash && l->count && l->entries[l->count - 1].key_len == len &&
	    !memcmp(l->entries[l->count - 1].key, key, len))
		return;
	must(!store_list_add(l, key, len, slash != NULL,
			     slash ? NULL : &object));
}

static void run(char **keys, size_t count, bool recursive)
{
	struct store_list list;
	struct page *p;

	store_list_init(&list);
	for (size_t i = 0; i < count; i++)
		if (!i || strcmp(keys[i - 1], keys[i]) != 0)
			add(&list, keys[i], recursive);
	p = page_new("", recursive, &list);
	must(p);
	look(p, "");
	if (recursive)
		look(p, "a/");
	must(page_equal(p, p));
	page_unref(p);
	store_list_done(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *rest = text;
	char **keys = calloc(size + 1, sizeof(*keys));
	size_t count = 0;

	must(text && keys);
	while (rest)
		keys[count++] = strsep(&rest, "\n");
	qsort(keys, count, sizeof(*keys), compare);
	run(keys, count, true);
	run(keys, count, false);
	free(keys);
	free(text);
	return 0;
}
