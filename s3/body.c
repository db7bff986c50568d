#include "s3/body.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3/stamp.h"
#include "s3/url.h"
#include "s3/xml.h"

/* Copies one line of text, cut at the end of a character. */
static void copy_text(char *out, size_t size, const char *text)
{
	size_t n = strlen(text);

	if (n >= size) {
		n = size - 1;
		while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
	out[n] = '\0';
}

bool body_copy_etag(char out[STORE_ETAG_MAX], const char *text)
{
	size_t len = strlen(text);

	if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
		text++;
		len -= 2;
	}
	if (!len || len >= STORE_ETAG_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '"')
			return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

/* ---- Error ------------------------------------------------------------- */

/* The fields of an Error element, wherever it stands. */
static void error_field(struct body_error *error, const char *name,
			const char *text)
{
	if (!strcmp(name, "Code"))
		copy_text(error->code, sizeof(error->code), text);
	else if (!strcmp(name, "Message"))
		copy_text(error->message, sizeof(error->message), text);
	else if (!strcmp(name, "Region"))
		copy_text(error->region, sizeof(error->region), text);
}

/* What all the small documents are read into. */
struct small {
	const char *root; /* expected name */
	bool found; /* the root was it */
	bool is_error; /* the root was Error */
	struct body_error error;
	char *upload_id;
	struct store_object object;
	bool bad;
	/* DeleteResult */
	struct body_deleted deleted;
	struct body_error item; /* the Error element being read */
	char item_key[sizeof(((struct body_deleted *)NULL)->key)];
};

static int small_open(void *arg, int depth, const char *name)
{
	struct small *s = arg;

	if (depth == 1) {
		s->found = !strcmp(name, s->root);
		s->is_error = !strcmp(name, "Error");
		return s->found || s->is_error ? 0 : -EBADMSG;
	}
	if (depth == 2 && !strcmp(name, "Error")) {
		memset(&s->item, 0, sizeof(s->item));
		s->item_key[0] = '\0';
	}
	return 0;
}

static void close_deleted_error(struct small *s)
{
	if (!strcmp(s->item.code, "NoSuchKey"))
		return;
	if (!s->deleted.failed++) {
		s->deleted.first = s->item;
		memcpy(s->deleted.key, s->item_key, sizeof(s->item_key));
	}
}

static int small_close(void *arg, int depth, const char *name, const char *text,
		       size_t len)
{
	struct small *s = arg;

	if (depth == 2 && s->is_error) {
		error_field(&s->error, name, text);
	} else if (depth == 2 && !strcmp(name, "UploadId") && len &&
		   !s->upload_id) {
		s->upload_id = strdup(text);
		return s->upload_id ? 0 : -ENOMEM;
	} else if (depth == 2 && !strcmp(name, "ETag") && len) {
		s->bad |= !body_copy_etag(s->object.etag, text);
	} else if (depth == 2 && !strcmp(name, "LastModified")) {
		s->bad |= stamp_parse_iso(&s->object.modified_s, text, len) < 0;
	} else if (depth == 2 && !strcmp(name, "Error")) {
		close_deleted_error(s);
	} else if (depth == 3 && !strcmp(name, "Key")) {
		copy_text(s->item_key, sizeof(s->item_key), text);
	} else if (depth == 3) {
		error_field(&s->item, name, text);
	}
	return 0;
}

static int read_small(struct small *s, const char *root,
		      struct body_error *error, const void *data, size_t len)
{
	static const struct xml_events events = { small_open, small_close };
	int r;

	memset(s, 0, sizeof(*s));
	s->root = root;
	r = xml_read(data, len, &events, s);
	if (!r && s->bad)
		r = -EBADMSG;
	if (!r && s->is_error && error) {
		*error = s->error;
		r = -EREMOTEIO;
	}
	if (!r && !s->found)
		r = -EBADMSG;
	if (r) {
		free(s->upload_id);
		s->upload_id = NULL;
	}
	return r;
}

int body_read_error(struct body_error *out, const void *data, size_t len)
{
	struct small s;
	int r = read_small(&s, "Error", NULL, data, len);

	if (!r && !s.error.code[0])
		r = -EBADMSG;
	if (!r)
		*out = s.error;
	free(s.upload_id);
	return r;
}

int body_read_upload(char **ret_id, const void *data, size_t len)
{
	struct small s;
	int r = read_small(&s, "InitiateMultipartUploadResult", NULL, data,
			   len);

	if (!r && !s.upload_id)
		r = -EBADMSG;
	if (!r)
		*ret_id = s.upload_id;
	return r;
}

int body_read_etag(struct store_object *out, struct body_error *error,
		   const void *data, size_t len)
{
	static const char *const roots[] = { "CopyObjectResult",
					     "CompleteMultipartUploadResult" };
	struct small s;
	int r = -EBADMSG;

	for (size_t i = 0; i < 2 && r == -EBADMSG; i++) {
		r = read_small(&s, roots[i], error, data, len);
		free(s.upload_id);
	}
	if (!r)
		*out = s.object;
	return r;
}

int body_read_deleted(struct body_deleted *out, struct body_error *error,
		      const void *data, size_t len)
{
	struct small s;
	int r = read_small(&s, "DeleteResult", error, data, len);

	if (r)
		return r;
	free(s.upload_id);
	*out = s.deleted;
	return 0;
}

/* ---- ListObjectsV2 ----------------------------------------------------- */

struct list_reader {
	struct store_list *list;
	const char *prefix;
	bool encoded; /* keys are percent-encoded */
	bool has_truncated;
	/* The entry being read; keys are decoded at the end, since the word
	 * that says how they are encoded may come after them. */
	struct buf key;
	bool has_key, has_size, has_time, has_etag;
	struct store_object object;
};

static int parse_size(uint64_t *ret_size, const char *text, size_t len)
{
	uint64_t v = 0;

	if (!len || len > 19)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EBADMSG;
		v = v * 10 + (uint64_t)(text[i] - '0');
	}
	*ret_size = v;
	return 0;
}

static int list_open(void *arg, int depth, const char *name)
{
	struct list_reader *r = arg;

	if (depth == 1)
		return strcmp(name, "ListBucketResult") ? -EBADMSG : 0;
	if (depth == 2) {
		buf_reset(&r->key);
		r->has_key = r->has_size = r->has_time = r->has_etag = false;
		memset(&r->object, 0, sizeof(r->object));
	}
	return 0;
}

static int add_entry(struct list_reader *r, bool is_prefix)
{
	if (!r->has_key ||
	    (!is_prefix && (!r->has_size || !r->has_time || !r->has_etag)))
		return -EBADMSG;
	return store_list_add(r->list, r->key.data ? r->key.data : "",
			      r->key.len, is_prefix,
			      is_prefix ? NULL : &r->object);
}

static int list_field(struct list_reader *r, const char *name, const char *text,
		      size_t len)
{
	if (!strcmp(name, "Key") || !strcmp(name, "Prefix")) {
		r->has_key = true;
		buf_reset(&r->key);
		return buf_add(&r->key, text, len);
	}
	if (!strcmp(name, "Size")) {
		r->has_size = true;
		return parse_size(&r->object.size, text, len);
	}
	if (!strcmp(name, "LastModified")) {
		r->has_time = true;
		return stamp_parse_iso(&r->object.modified_s, text, len)
			       ? -EBADMSG
			       : 0;
	}
	if (!strcmp(name, "ETag")) {
		r->has_etag = true;
		return body_copy_etag(r->object.etag, text) ? 0 : -EBADMSG;
	}
	return 0;
}

static int list_close(void *arg, int depth, const char *name, const char *text,
		      size_t len)
{
	struct list_reader *r = arg;

	if (depth == 3)
		return list_field(r, name, text, len);
	if (depth != 2)
		return 0;
	if (!strcmp(name, "Contents"))
		return add_entry(r, false);
	if (!strcmp(name, "CommonPrefixes"))
		return add_entry(r, true);
	if (!strcmp(name, "EncodingType")) {
		r->encoded = !strcmp(text, "url");
	} else if (!strcmp(name, "IsTruncated")) {
		r->has_truncated = true;
		r->list->truncated = !strcmp(text, "true");
	} else if (!strcmp(name, "NextContinuationToken") && !r->list->next) {
		r->list->next = strdup(text);
		return r->list->next ? 0 : -ENOMEM;
	}
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct store_list_entry *x = a, *y = b;
	size_t n = x->key_len < y->key_len ? x->key_len : y->key_len;
	int r = memcmp(x->key, y->key, n);

	if (r)
		return r;
	return x->key_len < y->key_len ? -1 : x->key_len > y->key_len;
}

/* Decodes keys in place, drops those that cannot be named, checks the rest. */
static int settle_keys(struct list_reader *r)
{
	size_t prefix_len = strlen(r->prefix), kept = 0;
	struct store_list *l = r->list;
	bool sorted = true;

	for (size_t i = 0; i < l->count; i++) {
		struct store_list_entry entry = l->entries[i];
		bool usable;

		if (r->encoded) {
			buf_reset(&r->key);
			if (url_decode(&r->key, entry.key, entry.key_len))
				return buf_error(&r->key) == -ENOMEM ? -ENOMEM
								     : -EBADMSG;
			/* Decoding never lengthens. */
			memcpy(entry.key, r->key.data ? r->key.data : "",
			       r->key.len + 1);
			entry.key_len = r->key.len;
		}
		usable = entry.key_len && entry.key_len <= STORE_KEY_MAX &&
			 !memchr(entry.key, '\0', entry.key_len);
		if (usable && (entry.key_len < prefix_len ||
			       memcmp(entry.key, r->prefix, prefix_len)))
			return -EBADMSG;
		/* Swapped rather than freed, so that the list always owns each
		 * key once. */
		l->entries[i] = l->entries[kept];
		l->entries[kept] = entry;
		if (!usable)
			continue;
		if (kept && compare_entries(&l->entries[kept - 1],
					    &l->entries[kept]) > 0)
			sorted = false;
		kept++;
	}
	while (l->count > kept)
		free(l->entries[--l->count].key);
	if (!sorted)
		qsort(l->entries, l->count, sizeof(l->entries[0]),
		      compare_entries);
	return 0;
}

int body_read_list(struct store_list *list, const char *prefix,
		   const void *data, size_t len)
{
	static const struct xml_events events = { list_open, list_close };
	struct list_reader r = { .list = list, .prefix = prefix };
	int ret;

	buf_init(&r.key, 16 << 10);
	ret = xml_read(data, len, &events, &r);
	if (!ret && !r.has_truncated)
		ret = -EBADMSG;
	if (!ret && list->truncated && (!list->next || !*list->next))
		ret = -EBADMSG;
	if (!ret)
		ret = settle_keys(&r);
	buf_done(&r.key);
	if (!ret)
		return 0;
	store_list_done(list);
	store_list_init(list);
	return ret;
}

/* ---- requests ---------------------------------------------------------- */

/* The length of the character at s, 0 if it is not well-formed UTF-8. */
static size_t utf8_char(const unsigned char *s, size_t left, uint32_t *ret_c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80   ? 1
		     : s[0] < 0xc2 ? 0
		     : s[0] < 0xe0 ? 2
		     : s[0] < 0xf0 ? 3
		     : s[0] < 0xf5 ? 4
				   : 0;
	uint32_t c;

	if (!len || len > left)
		return 0;
	c = len == 1 ? s[0] : s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret_c = c;
	return len;
}

bool body_is_utf8(const char *s, size_t len)
{
	uint32_t c;

	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_char((const unsigned char *)s + i, len - i, &c);
		if (!n)
			return false;
	}
	return true;
}

bool body_key_fits(const char *key)
{
	size_t len = strlen(key);
	uint32_t c;

	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_char((const unsigned char *)key + i, len - i, &c);
		if (!n || (c < ' ' && c != '\t' && c != '\n' && c != '\r') ||
		    c == 0xfffe || c == 0xffff)
			return false;
	}
	return true;
}

/* White space goes as a reference, or parsers would normalise it. */
static void add_escaped(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '&')
			(void)buf_add_str(out, "&amp;");
		else if (*s == '<')
			(void)buf_add_str(out, "&lt;");
		else if (*s == '>')
			(void)buf_add_str(out, "&gt;");
		else if (*s == '"')
			(void)buf_add_str(out, "&quot;");
		else if (*s == '\t' || *s == '\n' || *s == '\r')
			(void)buf_addf(out, "&#%d;", *s);
		else
			(void)buf_add_char(out, *s);
	}
}

int body_write_delete(struct buf *out, const char *const *keys, size_t count)
{
	(void)buf_add_str(out, "<Delete xmlns=\"http://s3.amazonaws.com/doc/"
			       "2006-03-01/\"><Quiet>true</Quiet>");
	for (size_t i = 0; i < count; i++) {
		(void)buf_add_str(out, "<Object><Key>");
		add_escaped(out, keys[i]);
		(void)buf_add_str(out, "</Key></Object>");
	}
	return buf_add_str(out, "</Delete>");
}

int body_write_parts(struct buf *out, const struct store_part *parts,
		     size_t count)
{
	(void)buf_add_str(out, "<CompleteMultipartUpload xmlns=\"http://"
			       "s3.amazonaws.com/doc/2006-03-01/\">");
	for (size_t i = 0; i < count; i++) {
		(void)buf_addf(out, "<Part><PartNumber>%u</PartNumber><ETag>",
			       parts[i].number);
		(void)buf_add_str(out, "&quot;");
		add_escaped(out, parts[i].etag);
		(void)buf_add_str(out, "&quot;</ETag></Part>");
	}
	return buf_add_str(out, "</CompleteMultipartUpload>");
}
