#include "s3/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "tests/unit/tap.h"

/* Writes "word=value;" for each word. */
static int note(void *arg, const char *word, const char *value, struct err *e)
{
	struct buf *out = arg;

	if (!strcmp(word, "bad"))
		return err_set(e, -EINVAL, "a bad word");
	return buf_addf(out, "%s%s%s;", word, value ? "=" : "",
			value ? value : "");
}

static const char layers[] = "[s3://b/a]\n"
			     "x = of a\n"
			     "[default]\n"
			     "x = of all\n"
			     "flag\n"
			     "[s3://b]\n"
			     "x = of b\n"
			     "[s3://]\n"
			     "x = of s3\n"
			     "[s3://b/ab]\n"
			     "x = of ab\n"
			     "[s3://b/a/]\n"
			     "y = more of a\n"
			     "[other:/sub//dir/]\n"
			     "x = of dir\n"
			     "[file:///srv/pool]\n"
			     "x = of pool\n"
			     "[file:///]\n"
			     "x = of files\n";

static void test_sections(void)
{
	static const struct {
		const char *source, *words;
	} cases[] = {
		{ "s3://b", "x=of all;flag;x=of s3;x=of b;" },
		{ "s3://b/", "x=of all;flag;x=of s3;x=of b;" },
		{ "b", "x=of all;flag;x=of s3;x=of b;" },
		{ "b:/a", "x=of all;flag;x=of s3;x=of b;x=of a;y=more of a;" },
		{ "s3://b//a/deep/",
		  "x=of all;flag;x=of s3;x=of b;x=of a;y=more of a;" },
		{ "s3://b/ab", "x=of all;flag;x=of s3;x=of b;x=of ab;" },
		{ "s3://b/abc", "x=of all;flag;x=of s3;x=of b;" },
		{ "s3://bc", "x=of all;flag;x=of s3;" },
		{ "s3://other/sub/dir", "x=of all;flag;x=of s3;x=of dir;" },
		{ "s3://other/sub", "x=of all;flag;x=of s3;" },
		{ "file:///srv/pool/x", "x=of all;flag;x=of files;x=of pool;" },
		{ "file:///srv//pool2", "x=of all;flag;x=of files;" },
		{ "gs://b", "" },
		{ "/srv/pool", "" },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT(4096);
		CLEANUP_FREE char *text = strdup(layers);

		is_int(settings_parse(text, "f", cases[i].source, note, &out,
				      NULL),
		       0, "for %s", cases[i].source);
		is_str(out.data ? out.data : "", cases[i].words, "its words");
	}
}

static void test_mistakes(void)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "x=1\n", "f:1: a word stands before" },
		{ "[default]\n[s3://b\n", "f:2: neither" },
		{ "[default]\n\n= 1\n", "f:3: neither" },
		{ "[gs://b]\n", "f:1: the name of a section" },
		{ "[/srv]\n", "f:1: the name of a section" },
		{ "[s3://b]\n#\nbad=1\n", "f:3: a bad word" },
		{ "[s3://b]\nprefix=1\n", "f:2: option prefix has no place" },
		{ "[s3://b]\nversion\n", "f:2: option version has no place" },
		{ "[s3://other]\nbad=1\n", NULL },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT(4096);
		CLEANUP_FREE char *text = strdup(cases[i].text);
		struct err e = { 0 };
		int r = settings_parse(text, "f", "s3://b", note, &out, &e);

		is_int(r, cases[i].says ? -EINVAL : 0, "mistake %zu", i);
		ok(!cases[i].says || !strncmp(e.text, cases[i].says,
					      strlen(cases[i].says)),
		   "it says: %s", e.text);
	}
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    fchmod(fd, mode) || close(fd))
		abort();
}

static void test_files(void)
{
	CLEANUP_BUF struct buf out = BUF_INIT(4096);
	char dir[] = "/tmp/test_settings.XXXXXX";
	char etc[64], config[64], user[96];
	struct err e = { 0 };

	if (!mkdtemp(dir))
		abort();
	(void)snprintf(etc, sizeof(etc), "%s/etc.conf", dir);
	(void)snprintf(config, sizeof(config), "%s/.config", dir);
	(void)snprintf(user, sizeof(user), "%s/assetfs.conf", config);
	(void)setenv("ASSETFS_CONF", etc, 1);
	(void)setenv("HOME", dir, 1);
	(void)unsetenv("XDG_CONFIG_HOME");
	is_int(settings_read("s3://b", note, &out, &e), 0, "no files at all");
	is_int(out.len, 0, "no words");

	(void)mkdir(config, 0700);
	write_file(etc, "[s3://b]\nx=etc\n", 0644);
	write_file(user, "[default]\nfile=~/keys\nmid=a~/b\n", 0600);
	is_int(settings_read("s3://b", note, &out, &e), 0, "both files");
	ok(!strncmp(out.data, "x=etc;file=/tmp/test_settings.", 30) &&
		   strstr(out.data, "/keys;mid=a~/b;"),
	   "the user's over the machine's: %s", out.data);
	buf_reset(&out);
	(void)setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
	is_int(settings_read("s3://b", note, &out, &e), 0, "XDG_CONFIG_HOME");
	is_str(out.data, "x=etc;", "names another directory");

	write_file(etc, "[default]\nx=1\n", 0646);
	is_int(settings_read("s3://b", note, &out, &e), -EACCES,
	       "others may write: %s", e.text);
	(void)unlink(etc);
	(void)mkdir(etc, 0755);
	is_int(settings_read("s3://b", note, &out, &e), -EINVAL,
	       "a directory: %s", e.text);
	(void)rmdir(etc);
	(void)unlink(user);
	(void)rmdir(config);
	(void)rmdir(dir);
}

int main(void)
{
	test_sections();
	test_mistakes();
	test_files();
	return tap_done();
}
