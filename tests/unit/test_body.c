#include "s3/body.h"

#include <errno.h>
#include <stdlib.h>

#include "s3/mime.h"
#include "s3/stamp.h"
#include "tests/unit/tap.h"

#define LIST_HEAD                                                              \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>"                           \
	"<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
#define LIST_TAIL "<IsTruncated>false</IsTruncated></ListBucketResult>"
#define URL "<EncodingType>url</EncodingType>"
#define ITEM(key)                                                              \
	"<Contents><Key>" key "</Key>"                                         \
	"<LastModified>2023-05-24T10:20:30.123Z</LastModified>"                \
	"<ETag>&quot;abc&quot;</ETag><Size>12</Size></Contents>"
#define PREFIX(p) "<CommonPrefixes><Prefix>" p "</Prefix></CommonPrefixes>"

struct list_case {
	const char *name;
	const char *prefix;
	const char *xml;
	int code;
	const char *keys; /* joined by '|', prefixes as "P:" */
};

static const struct list_case lists[] = {
	{ "empty", "", LIST_HEAD LIST_TAIL, 0, "" },
	{ "one", "", LIST_HEAD URL ITEM("a") LIST_TAIL, 0, "a" },
	{ "merged in order of bytes", "",
	  LIST_HEAD URL ITEM("a-b") ITEM("a.txt") ITEM("a0") PREFIX("a%2F")
		  PREFIX("b/") LIST_TAIL,
	  0, "a-b|a.txt|P:a/|a0|P:b/" },
	{ "decoded", "", LIST_HEAD URL ITEM("a+b%2Bc%20d%25%C3%A9") LIST_TAIL,
	  0, "a b+c d%\xc3\xa9" },
	{ "encoding named last", "", LIST_HEAD ITEM("a%2Fb") URL LIST_TAIL, 0,
	  "a/b" },
	{ "not encoded", "", LIST_HEAD ITEM("a%2Fb+c&amp;d") LIST_TAIL, 0,
	  "a%2Fb+c&d" },
	{ "control character", "", LIST_HEAD URL ITEM("x%01y") LIST_TAIL, 0,
	  "x\001y" },
	{ "as an illegal reference", "",
	  LIST_HEAD ITEM("x&#x01;y&#2;") LIST_TAIL, 0, "x\001y\002" },
	{ "as an illegal byte", "", LIST_HEAD ITEM("x\001y") LIST_TAIL, 0,
	  "x\001y" },
	{ "with its disguise", "",
	  LIST_HEAD ITEM("x&#x01;\xef\xb7\x91") LIST_TAIL, -EBADMSG, "" },
	{ "disguise alone", "", LIST_HEAD ITEM("\xef\xb7\x91") LIST_TAIL, 0,
	  "\xef\xb7\x91" },
	{ "NUL", "", LIST_HEAD URL ITEM("a") ITEM("b%00c") LIST_TAIL, 0, "a" },
	{ "NUL reference", "", LIST_HEAD URL ITEM("b&#0;c") LIST_TAIL, -EBADMSG,
	  "" },
	{ "empty key", "", LIST_HEAD URL ITEM("") ITEM("z") LIST_TAIL, 0, "z" },
	{ "below the prefix", "p/", LIST_HEAD URL ITEM("p/x") LIST_TAIL, 0,
	  "p/x" },
	{ "outside of the prefix", "p/", LIST_HEAD URL ITEM("q/x") LIST_TAIL,
	  -EBADMSG, "" },
	{ "bad escape", "", LIST_HEAD URL ITEM("a%zz") LIST_TAIL, -EBADMSG,
	  "" },
	{ "no time", "",
	  LIST_HEAD URL "<Contents><Key>a</Key><ETag>e</ETag><Size>1</Size>"
			"</Contents>" LIST_TAIL,
	  -EBADMSG, "" },
	{ "huge size", "",
	  LIST_HEAD
	  "<Contents><Size>99999999999999999999</Size></Contents>" LIST_TAIL,
	  -EBADMSG, "" },
	{ "no end", "", LIST_HEAD ITEM("a"), -EBADMSG, "" },
	{ "not said whether truncated", "",
	  LIST_HEAD ITEM("a") "</ListBucketResult>", -EBADMSG, "" },
	{ "truncated without a token", "",
	  LIST_HEAD "<IsTruncated>true</IsTruncated></ListBucketResult>",
	  -EBADMSG, "" },
	{ "another document", "", "<Error><Code>x</Code></Error>", -EBADMSG,
	  "" },
	{ "a page of HTML", "", "<html><body>Hi<br></body></html>", -EBADMSG,
	  "" },
	{ "nothing", "", "", -EBADMSG, "" },
	{ "document type", "",
	  "<!DOCTYPE x [<!ENTITY a \"b\">]>" LIST_HEAD LIST_TAIL, -EBADMSG,
	  "" },
	{ "entity", "",
	  "<!DOCTYPE l [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>"
	  "<ListBucketResult><Name>&a;</Name>" LIST_TAIL,
	  -EBADMSG, "" },
	{ "deep nesting", "",
	  LIST_HEAD "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>",
	  -EBADMSG, "" },
};

static void join(struct buf *out, const struct store_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		if (i)
			(void)buf_add_char(out, '|');
		if (l->entries[i].is_prefix)
			(void)buf_add_str(out, "P:");
		(void)buf_add(out, l->entries[i].key, l->entries[i].key_len);
	}
}

static void test_lists(void)
{
	for (size_t i = 0; i < TAP_COUNT(lists); i++) {
		const struct list_case *c = &lists[i];
		struct buf keys = BUF_INIT(4096);
		struct store_list l;

		store_list_init(&l);
		is_int(body_read_list(&l, c->prefix, c->xml, strlen(c->xml)),
		       c->code, "list: %s", c->name);
		join(&keys, &l);
		is_str(keys.data ? keys.data : "", c->keys, "its keys");
		store_list_done(&l);
		buf_done(&keys);
	}
}

static void test_list_fields(void)
{
	static const char xml[] =
		LIST_HEAD URL ITEM("a") "<IsTruncated>true</IsTruncated>"
					"<NextContinuationToken>t&#x01;+ "
					"%2F=</NextContinuationToken>"
					"</ListBucketResult>";
	struct store_list l;

	store_list_init(&l);
	is_int(body_read_list(&l, "", xml, strlen(xml)), 0, "fields");
	ok(l.truncated, "truncated");
	is_str(l.next, "t\001+ %2F=", "the token is not decoded");
	if (is_int(l.count, 1, "one entry")) {
		is_int(l.entries[0].object.size, 12, "size");
		is_int(l.entries[0].object.modified_s, 1684923630, "time");
		is_str(l.entries[0].object.etag, "abc", "ETag");
	}
	store_list_done(&l);
}

static void test_long_keys(void)
{
	char xml[8192], key[1100];

	for (size_t len = 1024; len <= 1025; len++) {
		struct store_list l;

		memset(key, 'k', len);
		key[len] = '\0';
		(void)snprintf(xml, sizeof(xml), "%s%s%s%s", LIST_HEAD,
			       "<Contents><Key>", key,
			       "</Key><LastModified>2023-05-24T10:20:30Z"
			       "</LastModified><ETag>e</ETag><Size>1</Size>"
			       "</Contents>" LIST_TAIL);
		store_list_init(&l);
		is_int(body_read_list(&l, "", xml, strlen(xml)), 0,
		       "a key of %zu bytes", len);
		is_int(l.count, len == 1024, "is there if it can be named");
		store_list_done(&l);
	}
}

static void test_errors(void)
{
	static const char xml[] =
		"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>"
		"<Message>Not\nfor you &amp; me</Message><Region>eu-west-1"
		"</Region><Key>x&#x02;</Key></Error>";
	struct body_error e = { .code = "" };

	is_int(body_read_error(&e, xml, strlen(xml)), 0, "Error");
	is_str(e.code, "AccessDenied", "code");
	is_str(e.message, "Not for you & me", "message, one line");
	is_str(e.region, "eu-west-1", "region");
	is_int(body_read_error(&e, "<Error></Error>", 15), -EBADMSG,
	       "without a code");
	is_int(body_read_error(&e, "<html/>", 7), -EBADMSG, "a page");
}

static void test_etags(void)
{
	static const struct {
		const char *name, *xml, *etag;
		int code;
	} cases[] = {
		{ "copy",
		  "<CopyObjectResult><LastModified>2023-05-24T10:20:30.000Z"
		  "</LastModified><ETag>\"e1\"</ETag></CopyObjectResult>",
		  "e1", 0 },
		{ "complete",
		  "<CompleteMultipartUploadResult><ETag>&quot;e2-3&quot;</ETag>"
		  "</CompleteMultipartUploadResult>",
		  "e2-3", 0 },
		{ "after white space",
		  " \n \n<?xml version=\"1.0\"?><CompleteMultipartUploadResult>"
		  "<ETag>e3</ETag></CompleteMultipartUploadResult>",
		  "e3", 0 },
		{ "white space inside",
		  "<?xml version=\"1.0\"?>\n   \n  <Error><Code>InternalError"
		  "</Code><Message>m</Message></Error>",
		  "", -EREMOTEIO },
		{ "none", "<CopyObjectResult/>", "", 0 },
		{ "empty", "<CopyObjectResult><ETag></ETag></CopyObjectResult>",
		  "", 0 },
		{ "cut", "<CopyObjectResult><ETag>e</ETag>", "", -EBADMSG },
		{ "only white space", "    ", "", -EBADMSG },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct store_object o = { .etag = "" };
		struct body_error e = { .code = "" };

		is_int(body_read_etag(&o, &e, cases[i].xml,
				      strlen(cases[i].xml)),
		       cases[i].code, "ETag: %s", cases[i].name);
		is_str(o.etag, cases[i].etag, "is it");
		ok(cases[i].code != -EREMOTEIO ||
			   !strcmp(e.code, "InternalError"),
		   "and the error");
	}
}

static void test_upload(void)
{
	static const char xml[] =
		"<InitiateMultipartUploadResult><Bucket>b</Bucket><UploadId>"
		"2~abc&amp;</UploadId></InitiateMultipartUploadResult>";
	char *id = NULL;

	is_int(body_read_upload(&id, xml, strlen(xml)), 0, "upload");
	is_str(id, "2~abc&", "its id");
	free(id);
	is_int(body_read_upload(&id, "<Error/>", 8), -EBADMSG, "none");
}

static void test_deleted(void)
{
	static const char xml[] =
		"<DeleteResult><Deleted><Key>a</Key></Deleted>"
		"<Error><Key>b</Key><Code>NoSuchKey</Code></Error>"
		"<Error><Key>c</Key><Code>AccessDenied</Code><Message>no"
		"</Message></Error>"
		"<Error><Key>d</Key><Code>InternalError</Code></Error>"
		"</DeleteResult>";
	struct body_deleted d = { .failed = 0 };
	struct body_error e = { .code = "" };

	is_int(body_read_deleted(&d, &e, xml, strlen(xml)), 0, "deleted");
	is_int(d.failed, 2, "two failed");
	is_str(d.key, "c", "the first of them");
	is_str(d.first.code, "AccessDenied", "and why");
	is_int(body_read_deleted(&d, &e, "<DeleteResult/>", 15), 0, "all");
	is_int(d.failed, 0, "none failed");
}

static void test_writers(void)
{
	static const char *const keys[] = { "a&<>\"b", "t\tn\nr\r" };
	static const struct store_part parts[] = { { 1, "aa" }, { 2, "b&b" } };
	struct buf b = BUF_INIT(4096);

	(void)body_write_delete(&b, keys, 2);
	is_str(b.data,
	       "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
	       "<Quiet>true</Quiet><Object><Key>a&amp;&lt;&gt;&quot;b</Key>"
	       "</Object><Object><Key>t&#9;n&#10;r&#13;</Key></Object></"
	       "Delete>",
	       "Delete");
	buf_reset(&b);
	(void)body_write_parts(&b, parts, 2);
	is_str(b.data,
	       "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/"
	       "2006-03-01/\"><Part><PartNumber>1</PartNumber><ETag>&quot;aa"
	       "&quot;</ETag></Part><Part><PartNumber>2</PartNumber><ETag>"
	       "&quot;b&amp;b&quot;</ETag></Part></CompleteMultipartUpload>",
	       "CompleteMultipartUpload");
	buf_done(&b);
	ok(body_key_fits("a\t\xc3\xa9") && !body_key_fits("\001") &&
		   !body_key_fits("\377") && !body_key_fits("\xed\xa0\x80") &&
		   !body_key_fits("\xef\xbf\xbf"),
	   "keys that XML can hold");
	ok(body_is_utf8("\xf0\x9f\x98\x80", 4) &&
		   !body_is_utf8("\xc0\x80", 2) &&
		   !body_is_utf8("\xf0\x9f\x98", 3),
	   "UTF-8");
}

static void test_stamps(void)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: refused */
	} iso[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2000-02-29T12:00:00.000Z", 951825600},
		{"2024-12-31T23:59:59.999999Z", 1735689599},
		{"2100-03-01T00:00:00Z", 4107542400},
		{"2024-12-31T23:59:59.999999+00:00", 1735689599},
		{"2025-01-01T01:29:59+01:30", 1735689599},
		{"2024-12-31T15:59:59-08:00", 1735689599},
		{"2024-12-31T15:59:59-0800", -1},
		{"2024-12-31T15:59:59-08:60", -1},
		{"2024-12-31T15:59:59+08:00Z", -1},
		{"2023-02-29T00:00:00Z", -1},
		{"2023-13-01T00:00:00Z", -1},
		{"2023-01-01T00:00:00", -1},
		{"2023-01-01 00:00:00Z", -1},
		{"", -1},
	}, http[] = {
		{"Fri, 24 May 2013 00:00:00 GMT", 1369353600},
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
		{"Friday, 24-May-13 00:00:00 GMT", -1},
		{"24 May 2013 00:00:00 GMT", -1},
		{"Fri, 24 Foo 2013 00:00:00 GMT", -1},
		{"", -1},
	};
	int64_t t;

	for (size_t i = 0; i < TAP_COUNT(iso); i++) {
		t = -1;
		(void)stamp_parse_iso(&t, iso[i].text, strlen(iso[i].text));
		is_int(t, iso[i].want, "ISO '%s'", iso[i].text);
	}
	for (size_t i = 0; i < TAP_COUNT(http); i++) {
		t = -1;
		(void)stamp_parse_http(&t, http[i].text, strlen(http[i].text));
		is_int(t, http[i].want, "HTTP '%s'", http[i].text);
	}
}

static void test_mime(void)
{
	static const struct {
		const char *plain, *encoded;
	} pairs[] = {
		{"", ""},
		{"33188", "33188"},
		{"two words", "two words"},
		{" x", "=?UTF-8?B?IHg=?="},
		{"x ", "=?UTF-8?B?eCA=?="},
		{"a  b", "=?UTF-8?B?YSAgYg==?="},
		{"\xc3\xa9", "=?UTF-8?B?w6k=?="},
		{"a\nb", "=?UTF-8?B?YQpi?="},
		{"=?UTF-8?B?eA==?=",
		 "=?UTF-8?B?PT9VVEYtOD9CP2VBPT0/PQ==?="},
	}, read_only[] = {
		{"caf\xc3\xa9 1", "=?UTF-8?Q?caf=C3=A9_1?="},
		{"\xc3\xa9!", "=?utf-8?b?w6k=?= =?UTF-8?Q?!?="},
		{"pre \xc3\xa9", "pre =?UTF-8?B?w6k=?="},
		{"=?UTF-8?B?w6k", "=?UTF-8?B?w6k"},
		{"=?UTF-8?B?!!!!?=", "=?UTF-8?B?!!!!?="},
		{"=?latin1?Q?a?=", "=?latin1?Q?a?="},
		{"=?UTF-8?Q?=00?=", "=?UTF-8?Q?=00?="},
	};
	char text[400];

	for (size_t i = 0; i < TAP_COUNT(pairs); i++) {
		struct buf b = BUF_INIT(4096);

		(void)mime_encode(&b, pairs[i].plain);
		is_str(b.data ? b.data : "", pairs[i].encoded, "encode %zu", i);
		buf_reset(&b);
		(void)mime_decode(&b, pairs[i].encoded);
		is_str(b.data ? b.data : "", pairs[i].plain, "decode %zu", i);
		buf_done(&b);
	}
	for (size_t i = 0; i < TAP_COUNT(read_only); i++) {
		struct buf b = BUF_INIT(4096);

		(void)mime_decode(&b, read_only[i].encoded);
		is_str(b.data, read_only[i].plain, "decode '%s'",
		       read_only[i].encoded);
		buf_done(&b);
	}
	for (size_t len = 40; len < 380; len += 31) {
		struct buf b = BUF_INIT(4096), back = BUF_INIT(4096);

		for (size_t i = 0; i < len; i++)
			text[i] = "\xe3\x81\x82"[i % 3];
		text[len - len % 3] = '\0';
		(void)mime_encode(&b, text);
		(void)mime_decode(&back, b.data);
		is_str(back.data, text, "%zu bytes there and back", len);
		buf_done(&b);
		buf_done(&back);
	}
}

int main(void)
{
	test_lists();
	test_list_fields();
	test_long_keys();
	test_errors();
	test_etags();
	test_upload();
	test_deleted();
	test_writers();
	test_stamps();
	test_mime();
	return tap_done();
}
