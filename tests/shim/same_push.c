/*
 * Preloaded into a push, so that what differs from one to the next does not: the
 * random part of the ids that it draws, 12 bytes, the clock of a store in a
 * directory, which is the ctime of a file, and the clock that tells how old that
 * is. All other random bytes are random.
 */
#include <dlfcn.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THEN_S 1500000000

ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	if (len != 12)
		return syscall(SYS_getrandom, buf, len, flags);
	memset(buf, 0x5a, len);
	return (ssize_t)len;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	static const struct timespec then = { .tv_sec = 1000 };

	if (id != CLOCK_BOOTTIME)
		return (int)syscall(SYS_clock_gettime, id, ts);
	*ts = then;
	return 0;
}

int fstat(int fd, struct stat *st)
{
	int (*real)(int, struct stat *) = dlsym(RTLD_NEXT, "fstat");
	int r = real(fd, st);

	st->st_ctim = (struct timespec){ .tv_sec = THEN_S };
	return r;
}
