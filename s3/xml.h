/*
 * Reads small XML documents from a server, as a stream of elements.
 *
 * No document types, no entities but the five of XML itself, no network. The
 * text of an element is at most 16 KiB, nesting at most 16 levels.
 *
 * Servers put keys with control characters into documents, which XML 1.0 does
 * not allow even as references. They are read all the same, as text.
 *
 * Threads: any; each call by itself.
 */
#pragma once

#include <stddef.h>

/*
 * Called by xml_read. Names are without name space. A negative result stops
 * the parse and becomes the result of xml_read.
 */
struct xml_events {
	/* depth: 1 for the root. */
	int (*open)(void *arg, int depth, const char *name);
	/* text: what stood directly in the element, NUL-terminated; it may hold
	 * no NUL itself. */
	int (*close)(void *arg, int depth, const char *name, const char *text,
		     size_t len);
};

/* -EBADMSG for what is no such document; -ENOMEM. White space before the
 * document is skipped: servers send it to keep a connection alive. */
int xml_read(const void *data, size_t len, const struct xml_events *events,
	     void *arg);
