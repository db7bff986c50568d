#include "fs/handles.h"

void handles_init(struct handles *all)
{
	lock_init(&all->lock, LOCK_RANK_FS);
	list_init(&all->open);
}

void handles_done(struct handles *all)
{
	struct list *link;

	while ((link = list_pop_head(&all->open))) {
		struct handle *h = container_of(link, struct handle, link);

		h->free(h);
	}
	lock_done(&all->lock);
}

void handles_add(struct handles *all, struct handle *h,
		 void (*free)(struct handle *h))
{
	LOCK_SCOPE(&all->lock);
	h->free = free;
	list_add_tail(&all->open, &h->link);
}

void handles_release(struct handles *all, struct handle *h)
{
	lock_take(&all->lock);
	list_remove(&h->link);
	lock_drop(&all->lock);
	h->free(h);
}
