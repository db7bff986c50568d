#include "s3/base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static char path[] = "/tmp/assetfs-test-XXXXXX";

/* What stderr got since the last call. */
static const char *written(void)
{
	static char text[8192];
	ssize_t n;
	int fd = open(path, O_RDWR);

	n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	if (ftruncate(fd, 0))
		abort();
	(void)close(fd);
	return text;
}

static void test_secrets(void)
{
	char token[1200], name[32], expected[64], big[2040];

	log_secret("sEcReTkEy123");
	log_secret("short");
	log_error("key sEcReTkEy123 and sEcReTkEy123, short");
	is_str(written(),
	       "prog: error: key ************ and ************, short\n",
	       "masked wherever it appears");
	memset(token, 't', sizeof(token) - 1);
	token[sizeof(token) - 1] = '\0';
	token[0] = 'T';
	log_secret(token);
	log_error("<%s>", token);
	ok(!strchr(written(), 't'), "a long one, all of it");
	memset(big, '.', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	memcpy(big + 2030, "", 1);
	log_error("%ssEcReTkEy123456789", big);
	ok(!strstr(written(), "sEcReTkE"), "at the edge");
	memcpy(big + 2030, ".......", 8);
	log_error("%ssEcReTkEy123", big);
	ok(!strstr(written(), "sEcReTkE"), "cut by the end of the line");
	for (int i = 0; i < 68; i++) {
		(void)snprintf(name, sizeof(name), "secret-number-%d", i + 10);
		log_secret(name);
		log_secret(name);
	}
	(void)snprintf(expected, sizeof(expected), "prog: error: %s %s\n",
		       "secret-number-13", "****************");
	log_error("secret-number-13 secret-number-14");
	is_str(written(), expected, "the last 64 are kept");
}

int main(void)
{
	int fd = mkstemp(path);

	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		abort();
	(void)close(fd);
	(void)fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
	log_warn("before %s", "open");
	is_str(written(), "assetfs: warning: before open\n", "defaults");
	log_open("prog", false);
	log_info("not shown");
	is_str(written(), "", "warnings and errors only");
	log_level_set(LOG_LEVEL_DEBUG);
	log_info("shown");
	log_debug("as %s", "well");
	is_str(written(), "prog: shown\nprog: debug: as well\n", "levels");
	ok(log_enabled(LOG_LEVEL_DEBUG), "enabled");
	log_level_set(LOG_LEVEL_ERROR);
	ok(!log_enabled(LOG_LEVEL_WARN), "not enabled");
	log_error("two\nlines\033");
	is_str(written(), "prog: error: two?lines?\n", "one line each");
	log_overwrites(true);
	log_error("over a line");
	is_str(written(), "\rprog: error: over a line\033[K\n",
	       "erases the rest of the line that it overwrites");
	log_overwrites(false);
	log_error("alone");
	is_str(written(), "prog: error: alone\n", "only then");
	test_secrets();
	(void)unlink(path);
	return tap_done();
}
