#include "s3/base/err.h"

#include <errno.h>

#include "tests/unit/tap.h"

int main(void)
{
	struct err e = { .code = 0 }, other = { .code = 0 };
	char big[600];

	errno = ENOENT;
	is_int(err_set(&e, -ENOENT, "'%s': %m", "x"), -ENOENT, "the code");
	is_str(e.text, "'x': No such file or directory", "the text, with %%m");
	is_int(e.code, -ENOENT, "kept");
	is_int(err_wrap(&e, -EIO, "reading %d", 5), -EIO, "another code");
	is_str(e.text, "reading 5: 'x': No such file or directory", "prefixed");
	is_int(err_copy(&other, &e), -EIO, "copied");
	is_str(other.text, e.text, "with its text");
	is_int(err_copy(NULL, &e), -EIO, "to nobody");
	is_int(err_copy(&e, &e), -EIO, "to itself");
	err_clear(&e);
	is_int(e.code, 0, "cleared");
	is_str(e.text, "", "all of it");
	is_int(err_wrap(&e, -EACCES, "opening"), -EACCES, "nothing was set");
	is_str(e.text, "opening: Permission denied", "strerror instead");
	is_int(err_set(NULL, -EIO, "x"), -EIO, "nobody wants it");
	is_int(err_wrap(NULL, -EIO, "x"), -EIO, "nor this");
	err_clear(NULL);
	err_set(&e, -EIO, "a\nb\tc\177d\033[0m\303\244");
	is_str(e.text, "a?b?c?d?[0m\303\244", "no control characters");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&e, -EIO, "%s", big);
	is_int(strlen(e.text), sizeof(e.text) - 1, "cut");
	is_str(e.text + sizeof(e.text) - 5, "x...", "and marked");
	err_wrap(&e, -EIO, "%s", big);
	is_str(e.text + sizeof(e.text) - 5, "x...", "wrapped as well");
	return tap_done();
}
