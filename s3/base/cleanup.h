/*
 * Release at the end of a scope, and transfer of ownership out of it.
 *
 * Every CLEANUP variable is initialised where it is declared. A destructor
 * used with CLEANUP takes a pointer to the variable, accepts NULL in it, and is
 * made from `void x_free(struct x *)` by DEFINE_CLEANUP:
 *
 *	DEFINE_CLEANUP(struct catalog *, catalog_free)	(catalog_freep)
 *	CLEANUP(catalog_freep) struct catalog *cat = NULL;
 *	*ret_cat = TAKE_PTR(cat);
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

#define DEFINE_CLEANUP(type, fn)                                               \
	static inline void fn##p(type *p)                                      \
	{                                                                      \
		if (*p)                                                        \
			fn(*p);                                                \
	}

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

/* Keeps errno, so that `return -errno` after it still tells the story. */
static inline void cleanup_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd); /* nothing was promised about this fd */
	errno = saved;
}

#define CLEANUP_FREE CLEANUP(cleanup_freep)
#define CLEANUP_FD CLEANUP(cleanup_closep)

#define TAKE_PTR(p)                                                            \
	({                                                                     \
		__typeof__(p) taken_ = (p);                                    \
		(p) = NULL;                                                    \
		taken_;                                                        \
	})

#define TAKE_FD(fd)                                                            \
	({                                                                     \
		int taken_ = (fd);                                             \
		(fd) = -1;                                                     \
		taken_;                                                        \
	})
