#include "s3/base/list.h"

#include "tests/unit/tap.h"

struct item {
	int value;
	struct list link;
};

static void show(const struct list *head, char *out)
{
	list_for_each (pos, head)
		*out++ = (char)('0' +
				container_of(pos, struct item, link)->value);
	*out = '\0';
}

int main(void)
{
	struct list head = LIST_INIT(head);
	struct item items[5];
	char text[16];

	ok(list_empty(&head), "empty");
	ok(!list_pop_head(&head), "nothing to pop");
	for (int i = 0; i < 5; i++) {
		items[i].value = i;
		if (i < 3)
			list_add_tail(&head, &items[i].link);
		else
			list_add_head(&head, &items[i].link);
	}
	show(&head, text);
	is_str(text, "43012", "tail and head");
	list_remove(&items[0].link);
	list_remove(&items[0].link);
	show(&head, text);
	is_str(text, "4312", "removed, twice");
	list_for_each_safe (pos, &head)
		if (container_of(pos, struct item, link)->value % 2)
			list_remove(pos);
	show(&head, text);
	is_str(text, "42", "removed on the way");
	ok(list_pop_head(&head) == &items[4].link, "popped");
	ok(list_pop_head(&head) == &items[2].link, "popped");
	ok(list_empty(&head), "empty again");
	return tap_done();
}
