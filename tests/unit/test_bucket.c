#include "s3/bucket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"

#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define VERSIONS(x)                                                            \
	"<?xml version=\"1.0\"?><VersioningConfiguration" NS ">" x             \
	"</VersioningConfiguration>"
#define RULES(x) "<LifecycleConfiguration" NS ">" x "</LifecycleConfiguration>"
#define RULE(x) "<Rule>" x "</Rule>"
#define ON "<Status>Enabled</Status>"

static void test_versions(void)
{
	static const struct {
		const char *xml;
		int code;
		enum bucket_versions versions;
	} cases[] = {
		{ VERSIONS(""), 0, BUCKET_VERSIONS_NEVER },
		{ VERSIONS(ON), 0, BUCKET_VERSIONS_ENABLED },
		{ VERSIONS(ON "<MfaDelete>Disabled</MfaDelete>"), 0,
		  BUCKET_VERSIONS_ENABLED },
		{ VERSIONS("<Status>Suspended</Status>"), 0,
		  BUCKET_VERSIONS_SUSPENDED },
		{ "<Error/>", -EBADMSG, 0 },
		{ "<html>", -EBADMSG, 0 },
		{ "", -EBADMSG, 0 },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		enum bucket_versions v = BUCKET_VERSIONS_NEVER;

		is_int(bucket_read_versions(&v, cases[i].xml,
					    strlen(cases[i].xml)),
		       cases[i].code, "document %zu", i);
		is_int(v, cases[i].versions, "its state");
	}
}

static void test_rules(void)
{
	static const struct {
		const char *xml;
		struct bucket_rule rule;
	} cases[] = {
		{ "<ID>a</ID><Prefix>tmp/</Prefix>" ON
		  "<Expiration><Days>3</Days></Expiration>",
		  { .id = "a",
		    .prefix = "tmp/",
		    .enabled = true,
		    .expires = true,
		    .days = 3 } },
		{ "<Filter><Prefix>x</Prefix></Filter><Status>Disabled</Status>"
		  "<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>",
		  { .prefix = "x", .expires = true } },
		{ ON "<Filter><And><Prefix>y</Prefix><Tag><Key>k</Key><Value>v"
		     "</Value></Tag></And></Filter>"
		     "<Transition><Days>9</Days><StorageClass>DEEP_ARCHIVE"
		     "</StorageClass></Transition>"
		     "<Transition><Days>5</Days><StorageClass>GLACIER_IR"
		     "</StorageClass></Transition>",
		  { .prefix = "y",
		    .enabled = true,
		    .narrowed = true,
		    .archive = "DEEP_ARCHIVE",
		    .days = 9 } },
		{ ON "<Filter><ObjectSizeLessThan>5</ObjectSizeLessThan>"
		     "</Filter><Expiration><ExpiredObjectDeleteMarker>true"
		     "</ExpiredObjectDeleteMarker></Expiration>",
		  { .enabled = true, .narrowed = true } },
		{ ON "<NoncurrentVersionExpiration><NoncurrentDays>2"
		     "</NoncurrentDays></NoncurrentVersionExpiration>"
		     "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1"
		     "</DaysAfterInitiation></AbortIncompleteMultipartUpload>",
		  { .enabled = true,
		    .expires_versions = true,
		    .days = 2,
		    .abort_days = 1 } },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		const struct bucket_rule *want = &cases[i].rule, *got;
		struct bucket_rules l = { 0 };
		char xml[1000];

		(void)snprintf(xml, sizeof(xml), RULES(RULE("%s")),
			       cases[i].xml);
		is_int(bucket_read_rules(&l, xml, strlen(xml)), 0, "rule %zu",
		       i);
		is_int(l.count, 1, "one rule");
		got = l.rules;
		is_str(got->id, want->id, "id");
		is_str(got->prefix, want->prefix, "prefix");
		is_str(got->archive, want->archive, "archive");
		is_int(got->days, want->days, "days");
		is_int(got->abort_days, want->abort_days, "abort");
		ok(got->enabled == want->enabled &&
			   got->narrowed == want->narrowed &&
			   got->expires == want->expires &&
			   got->expires_versions == want->expires_versions,
		   "flags");
		bucket_rules_done(&l);
	}
}

static void test_refused(void)
{
	static const char *const texts[] = {
		"",
		"<Error/>",
		RULES("<Thing/>"),
		RULES(RULE(ON) "<Rule>"),
	};
	struct bucket_rules l = { 0 };

	for (size_t i = 0; i < TAP_COUNT(texts); i++)
		is_int(bucket_read_rules(&l, texts[i], strlen(texts[i])),
		       -EBADMSG, "no document: %zu", i);
	is_int(bucket_read_rules(&l, RULES(""), strlen(RULES(""))), 0,
	       "no rules");
	is_int(l.count, 0, "none");
}

int main(void)
{
	test_versions();
	test_rules();
	test_refused();
	return tap_done();
}
