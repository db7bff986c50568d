/*
 * A SAX parse: memory is bounded by one element's text, whatever the document
 * claims. A document type declaration stops it, so no entity is ever defined.
 *
 * Control characters are hidden from the parser: each is written as one of the
 * 32 code points U+FDD0 to U+FDEF, which Unicode keeps for internal use, and
 * turned back in the text of elements. A document that has both is refused.
 */
#include "s3/xml.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "s3/base/buf.h"

#define TEXT_MAX (16 << 10)
#define DEPTH_MAX 16

struct reader {
	xmlParserCtxt *ctxt;
	const struct xml_events *events;
	void *arg;
	int depth;
	int result; /* the first failure */
	bool disguised; /* control characters stand as U+FDD0 + c */
	/* Text of the element at each depth starts at starts[depth]. */
	struct buf text;
	size_t starts[DEPTH_MAX + 1];
};

static void stop(struct reader *r, int result)
{
	if (r->result)
		return;
	r->result = result;
	xmlStopParser(r->ctxt);
}

static void on_doctype(void *arg, const xmlChar *name, const xmlChar *external,
		       const xmlChar *system)
{
	(void)name;
	(void)external;
	(void)system;
	stop(arg, -EBADMSG);
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix,
		     const xmlChar *uri, int ns_count, const xmlChar **ns,
		     int attr_count, int default_count, const xmlChar **attrs)
{
	struct reader *r = arg;
	int ret;

	(void)prefix;
	(void)uri;
	(void)ns_count;
	(void)ns;
	(void)attr_count;
	(void)default_count;
	(void)attrs;
	if (r->result)
		return;
	if (r->depth == DEPTH_MAX) {
		stop(r, -EBADMSG);
		return;
	}
	r->starts[++r->depth] = r->text.len;
	ret = r->events->open(r->arg, r->depth, (const char *)name);
	if (ret < 0)
		stop(r, ret);
}

/* ---- control characters ------------------------------------------------ */

#define DISGUISE_0 '\xef'
#define DISGUISE_1 '\xb7'
#define DISGUISE_2 0x90

static bool is_control(unsigned int c)
{
	return c && c < ' ' && c != '\t' && c != '\n' && c != '\r';
}

/* The control character at *p, plain or as a reference, and its length. */
static size_t find_control(const char *p, size_t left, unsigned int *ret_c)
{
	unsigned int c = (unsigned char)*p, base = 10;
	size_t i = 2;

	*ret_c = c;
	if (is_control(c))
		return 1;
	if (left < 4 || p[0] != '&' || p[1] != '#')
		return 0;
	if (p[2] == 'x') {
		base = 16;
		i++;
	}
	for (c = 0; i < left && i < 10 && p[i] != ';'; i++) {
		unsigned int digit = (unsigned char)p[i] - '0';

		if (digit > 9)
			digit = ((unsigned char)p[i] | 0x20u) - 'a' + 10;
		if (digit >= base)
			return 0;
		c = c * base + digit;
	}
	*ret_c = c;
	return i < left && p[i] == ';' && is_control(c) ? i + 1 : 0;
}

/* Copies the document with its control characters disguised; `out` stays empty
 * where there are none. */
static int disguise(struct buf *out, const char *text, size_t len)
{
	const char reserved[] = { DISGUISE_0, DISGUISE_1 };
	size_t copied = 0;

	for (size_t i = 0; i < len;) {
		unsigned int c;
		size_t n = find_control(text + i, len - i, &c);
		const char mark[] = { DISGUISE_0, DISGUISE_1,
				      (char)(DISGUISE_2 + c) };

		if (!n) {
			i++;
			continue;
		}
		(void)buf_add(out, text + copied, i - copied);
		(void)buf_add(out, mark, sizeof(mark));
		i += n;
		copied = i;
	}
	if (!copied)
		return 0;
	(void)buf_add(out, text + copied, len - copied);
	if (buf_error(out))
		return buf_error(out);
	/* Its code points lie in the block of these two bytes. */
	return memmem(text, len, reserved, sizeof(reserved)) ? -EBADMSG : 0;
}

/* Turns them back in place; the text shrinks. */
static void undisguise(struct buf *text, size_t start)
{
	char *p = text->data + start, *to = p, *end = text->data + text->len;

	while (p < end) {
		if (end - p >= 3 && p[0] == DISGUISE_0 && p[1] == DISGUISE_1 &&
		    is_control((unsigned char)p[2] - DISGUISE_2)) {
			*to++ = (char)((unsigned char)p[2] - DISGUISE_2);
			p += 3;
		} else {
			*to++ = *p++;
		}
	}
	*to = '\0';
	text->len = (size_t)(to - text->data);
}

/* ---- events ------------------------------------------------------------ */

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix,
		   const xmlChar *uri)
{
	struct reader *r = arg;
	size_t start;
	int ret;

	(void)prefix;
	(void)uri;
	if (r->result || !r->depth)
		return;
	start = r->starts[r->depth];
	if (r->disguised && r->text.data)
		undisguise(&r->text, start);
	ret = r->events->close(r->arg, r->depth, (const char *)name,
			       r->text.data ? r->text.data + start : "",
			       r->text.len - start);
	r->depth--;
	r->text.len = start;
	if (r->text.data)
		r->text.data[start] = '\0';
	if (ret < 0)
		stop(r, ret);
}

static void on_text(void *arg, const xmlChar *text, int len)
{
	struct reader *r = arg;

	if (!r->result && r->depth && buf_add(&r->text, text, (size_t)len))
		stop(r, buf_error(&r->text) == -ENOMEM ? -ENOMEM : -EBADMSG);
}

/* Diagnostics would go to stderr; the result says all that is needed. */
static void on_error(void *arg, xmlErrorPtr error)
{
	(void)arg;
	(void)error;
}

int xml_read(const void *data, size_t len, const struct xml_events *events,
	     void *arg)
{
	static const xmlSAXHandler handler = {
		.initialized = XML_SAX2_MAGIC,
		.internalSubset = on_doctype,
		.startElementNs = on_start,
		.endElementNs = on_end,
		.characters = on_text,
		.cdataBlock = on_text,
		.serror = on_error,
	};
	CLEANUP_BUF struct buf copy = BUF_INIT(3 * len + 1);
	struct reader r = { .events = events, .arg = arg };
	const char *text = data;
	bool well_formed;
	int ret;

	while (len && *text && strchr(" \t\r\n", *text)) {
		text++;
		len--;
	}
	/* UTF-8 whatever it declares: other encodings take other paths through
	 * the parser, and no server uses them. */
	if (len < 2 || len > INT_MAX / 4 || text[0] != '<' || !text[1])
		return -EBADMSG;
	ret = disguise(&copy, text, len);
	if (ret)
		return ret;
	if (copy.len) {
		r.disguised = true;
		text = copy.data;
		len = copy.len;
	}
	buf_init(&r.text, TEXT_MAX);
	r.ctxt = xmlCreateMemoryParserCtxt(text, (int)len);
	if (!r.ctxt)
		return -ENOMEM;
	(void)xmlCtxtUseOptions(r.ctxt, XML_PARSE_NONET | XML_PARSE_NOERROR |
						XML_PARSE_NOWARNING |
						XML_PARSE_IGNORE_ENC);
	*r.ctxt->sax = handler;
	r.ctxt->userData = &r;
	(void)xmlParseDocument(r.ctxt); /* wellFormed says it */
	well_formed = r.ctxt->wellFormed;
	if (r.ctxt->myDoc)
		xmlFreeDoc(r.ctxt->myDoc);
	xmlFreeParserCtxt(r.ctxt);
	buf_done(&r.text);
	if (r.result)
		return r.result;
	return well_formed ? 0 : -EBADMSG;
}
