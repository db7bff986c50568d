#include "s3/creds.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/base/buf.h"
#include "s3/base/io.h"
#include "s3/profile.h"
#include "tests/unit/tap.h"

static char home[64];

static const char *path_of(const char *name)
{
	static char paths[4][256];
	static int turn;
	char *path = paths[turn++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", home, name);
	return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	struct err e = { 0 };

	if (io_replace_file(path_of(name), text, strlen(text), 0600, &e) ||
	    chmod(path_of(name), mode)) {
		printf("Bail out! %s: %s\n", name, e.text);
		exit(1);
	}
}

static void clear_env(void)
{
	static const char *const names[] = {
		"AWS_ACCESS_KEY_ID",
		"AWS_SECRET_ACCESS_KEY",
		"AWS_SESSION_TOKEN",
		"AWS_PROFILE",
		"AWS_SHARED_CREDENTIALS_FILE",
		"AWS_CONFIG_FILE",
		"AWS_ROLE_ARN",
		"AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	};

	for (size_t i = 0; i < TAP_COUNT(names); i++)
		(void)unsetenv(names[i]);
	(void)setenv("HOME", home, 1);
	(void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
}

/* "access:secret:token", or the text of the error. */
static int found(const struct creds_options *o, char *out, size_t size)
{
	struct creds *c = NULL;
	struct creds_keys *k;
	struct err e = { 0 };
	int r = creds_open(&c, o, &e);

	(void)snprintf(out, size, "%s", e.text);
	if (r)
		return r;
	k = creds_get(c);
	(void)snprintf(out, size, "%s:%s:%s", k->access, k->secret,
		       k->token ? k->token : "-");
	creds_keys_put(k);
	creds_free(c);
	return 0;
}

static void check(const char *name, const struct creds_options *o, int code,
		  const char *want)
{
	char text[500];

	is_int(found(o, text, sizeof(text)), code, "%s", name);
	if (code)
		ok(strstr(text, want), "%s: '%s'", name, text);
	else
		is_str(text, want, "%s: keys", name);
}

static void test_passwd(void)
{
	struct creds_options o = { .bucket = "show" };

	o.passwd_file = path_of("pw");
	check("no such file", &o, -EACCES, "does not exist");
	write_file("pw", "# comment\n\nAK1:SK1\nother:AK2:SK2\n", 0600);
	check("for any bucket", &o, 0, "AK1:SK1:-");
	write_file("pw", "AK1:SK1\r\nshow:AK3:SK3\r\n", 0600);
	check("for this bucket", &o, 0, "AK3:SK3:-");
	write_file("pw", "other:AK2:SK2\n", 0600);
	check("for another bucket only", &o, -EACCES, "no keys for bucket");
	write_file("pw", "garbage\n", 0600);
	check("garbage", &o, -EINVAL, "line 1");
	write_file("pw", "AK1:SK1\n", 0640);
	check("readable by the group", &o, -EACCES, "chmod 600");
	write_file("pw", "AK1:SK1\n", 0602);
	check("writable by others", &o, -EACCES, "chmod 600");
	write_file("pw", "AK1:SK1\n", 0400);
	check("read-only", &o, 0, "AK1:SK1:-");
	(void)mkdir(path_of("pwdir"), 0700);
	o.passwd_file = path_of("pwdir");
	check("a directory", &o, -EINVAL, "not a regular file");
	(void)unlink(path_of("pw"));
}

static void test_profiles(void)
{
	struct creds_options o = { .bucket = "show" };

	(void)mkdir(path_of(".aws"), 0700);
	write_file(".aws/credentials",
		   "[default]\n"
		   "aws_access_key_id = AKD\n"
		   "aws_secret_access_key = SK=D\n"
		   "[ work ]\n"
		   "aws_access_key_id=AKW\n"
		   "aws_secret_access_key=SKW\n"
		   "aws_session_token=TOK\n",
		   0600);
	write_file(".aws/config",
		   "[default]\nregion = eu-west-1\n"
		   "[profile work]\nregion=ap-northeast-1\n"
		   "s3 =\n  region = nested\n"
		   "[profile role]\nregion=us-west-2\n",
		   0644);
	check("default profile", &o, 0, "AKD:SK=D:-");
	o.profile = "work";
	check("named profile", &o, 0, "AKW:SKW:TOK");
	o.profile = "absent";
	check("absent profile", &o, -EACCES, "does not exist");
	o.profile = "role";
	check("profile without keys", &o, -EACCES, "has no access keys");
	o.profile = NULL;
	(void)setenv("AWS_PROFILE", "work", 1);
	check("AWS_PROFILE", &o, 0, "AKW:SKW:TOK");
	(void)setenv("AWS_ACCESS_KEY_ID", "AKE", 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", "SKE", 1);
	check("environment goes before AWS_PROFILE", &o, 0, "AKE:SKE:-");
	(void)setenv("AWS_SESSION_TOKEN", "TKE", 1);
	check("session token", &o, 0, "AKE:SKE:TKE");
	o.profile = "work";
	check("a profile option goes before it", &o, 0, "AKW:SKW:TOK");
	write_file("pw", "AKP:SKP\n", 0600);
	o.passwd_file = path_of("pw");
	check("passwd_file goes before all", &o, 0, "AKP:SKP:-");
	o.passwd_file = o.profile = NULL;
	clear_env();
	write_file(".aws/credentials",
		   "[default]\naws_access_key_id=A\naws_secret_access_key=S\n",
		   0644);
	check("credentials that all may read", &o, -EACCES, "chmod 600");
	(void)unlink(path_of(".aws/credentials"));
	write_file(".aws/config",
		   "[default]\naws_access_key_id=A\naws_secret_access_key=S\n",
		   0644);
	check("the same in the config file", &o, -EACCES, "chmod 600");
	write_file(".aws/config",
		   "[profile \"a b\"]\nAWS_ACCESS_KEY_ID=AQ\n"
		   "aws_secret_access_key=S\n[b\n",
		   0600);
	o.profile = "a b";
	check("a section that is none", &o, -EACCES, "config' line 4");
	write_file(".aws/config",
		   "[profile \"a b\"]\nAWS_ACCESS_KEY_ID=AQ\n"
		   "aws_secret_access_key=S\n",
		   0600);
	check("quotes and capitals", &o, 0, "AQ:S:-");
	write_file(".aws/config", "[default]\naws_access_key_id=A\n", 0600);
	o.profile = NULL;
	check("half a pair", &o, -EACCES, "has no aws_secret_access_key");
	(void)setenv("AWS_CONFIG_FILE", path_of("elsewhere"), 1);
	write_file("elsewhere",
		   "[default]\naws_access_key_id=AX\naws_secret_access_key=S\n",
		   0600);
	check("AWS_CONFIG_FILE", &o, 0, "AX:S:-");
	clear_env();
	(void)unlink(path_of(".aws/config"));
}

static void test_region(void)
{
	struct profile p;
	struct err e = { 0 };

	write_file(".aws/config",
		   "[default]\nregion = eu-west-1\n"
		   "[profile work]\nregion=ap-northeast-1\n"
		   "s3 =\n  region = nested\n",
		   0644);
	is_int(profile_load(&p, NULL, NULL, &e), 0, "default");
	is_str(p.region, "eu-west-1", "its region");
	profile_done(&p);
	is_int(profile_load(&p, "work", NULL, &e), 0, "work");
	is_str(p.region, "ap-northeast-1", "its region");
	profile_done(&p);
	is_int(profile_load(&p, "absent", NULL, &e), 0, "absent");
	ok(!p.found && !p.region, "is empty");
	profile_done(&p);
	(void)unlink(path_of(".aws/config"));
}

static void test_last_resorts(void)
{
	struct creds_options o = { .bucket = "show" };

	if (access("/etc/passwd-s3fs", F_OK))
		check("nothing", &o, -EACCES, "no credentials found");
	write_file(".passwd-s3fs", "AKH:SKH\n", 0600);
	check("~/.passwd-s3fs", &o, 0, "AKH:SKH:-");
	(void)setenv("AWS_ACCESS_KEY_ID", "AKE", 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", "SKE", 1);
	check("after the environment", &o, 0, "AKE:SKE:-");
	clear_env();
}

struct waiter {
	struct creds_renewal renewal;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	bool done;
	int result;
	struct err e;
};

static void on_renewed(struct creds_renewal *r, int result, const struct err *e)
{
	struct waiter *w = container_of(r, struct waiter, renewal);

	pthread_mutex_lock(&w->lock);
	w->done = true;
	w->result = result;
	(void)err_copy(&w->e, e);
	pthread_cond_signal(&w->woken);
	pthread_mutex_unlock(&w->lock);
}

/* creds_renew, waited for. */
static int renew(struct creds *c, const struct creds_keys *refused)
{
	struct waiter w = { .renewal = { .refused = refused,
					 .done = on_renewed },
			    .lock = PTHREAD_MUTEX_INITIALIZER,
			    .woken = PTHREAD_COND_INITIALIZER };

	creds_renew(c, &w.renewal);
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.woken, &w.lock);
	pthread_mutex_unlock(&w.lock);
	if (w.result < 0)
		printf("# %s\n", w.e.text);
	return w.result;
}

static void test_refresh(void)
{
	struct creds_options o = { .bucket = "show" };
	struct creds_keys *old, *fresh;
	struct creds_about about;
	struct creds *c = NULL;
	struct err e = { 0 };

	write_file("pw", "AKAK1:SK1\n", 0600);
	o.passwd_file = path_of("pw");
	if (!is_int(creds_open(&c, &o, &e), 0, "open"))
		return;
	old = creds_get(c);
	is_int(renew(c, old), 0, "the same keys");
	write_file("pw", "AKAK2:SK2\n", 0600);
	is_int(renew(c, old), 1, "other keys");
	fresh = creds_get(c);
	is_str(fresh->access, "AKAK2", "are handed out");
	is_str(old->access, "AKAK1", "the old ones stay valid");
	is_int(renew(c, old), 1, "refused by another call too");
	creds_describe(c, &about);
	is_str(about.access, "AKAK…", "described: the start of the key id");
	ok(strstr(about.source, o.passwd_file) && !about.expires_s &&
		   !about.trouble[0],
	   "described: %s", about.source);
	(void)unlink(path_of("pw"));
	is_int(renew(c, fresh), -EACCES, "the file is gone");
	creds_describe(c, &about);
	ok(strstr(about.trouble, "does not exist"), "described: %s",
	   about.trouble);
	creds_stop(c);
	is_int(renew(c, fresh), -ECANCELED, "stopped");
	creds_free(c);
	is_str(fresh->secret, "SK2", "keys outlive the chain");
	creds_keys_put(old);
	creds_keys_put(fresh);
}

/* Without anybody asking. */
static void test_changed_file(void)
{
	struct creds_options o = { .bucket = "show" };
	struct creds *c = NULL;
	struct err e = { 0 };
	bool seen = false;

	write_file(".aws/credentials",
		   "[default]\naws_access_key_id=A1\n"
		   "aws_secret_access_key=S1\n",
		   0600);
	if (!is_int(creds_open(&c, &o, &e), 0, "open: %s", e.text))
		return;
	write_file(".aws/credentials",
		   "[default]\naws_access_key_id=A2\n"
		   "aws_secret_access_key=S2\n",
		   0600);
	for (int i = 0; i < 600 && !seen; i++) {
		struct creds_keys *k = creds_get(c);

		seen = !strcmp(k->access, "A2");
		creds_keys_put(k);
		(void)usleep(100000);
	}
	ok(seen, "a file that changes is read again");
	creds_free(c);
}

static void remove_home(void)
{
	static const char *const names[] = {
		".aws/credentials", ".aws/config", ".aws", "pw", "pwdir",
		"elsewhere",	    ".passwd-s3fs"
	};

	for (size_t i = 0; i < TAP_COUNT(names); i++)
		(void)remove(path_of(names[i])); /* some are not there */
	(void)rmdir(home);
}

int main(void)
{
	(void)snprintf(home, sizeof(home), "/tmp/test_creds.XXXXXX");
	if (!mkdtemp(home))
		return 1;
	clear_env();
	test_passwd();
	test_profiles();
	test_region();
	test_last_resorts();
	test_refresh();
	test_changed_file();
	remove_home();
	return tap_done();
}
