/*
 * Preloaded into a push: the random part of the ids that it draws, 12 bytes, is
 * the same each time. All other random bytes are random.
 */
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	if (len != 12)
		return syscall(SYS_getrandom, buf, len, flags);
	memset(buf, 0x5a, len);
	return (ssize_t)len;
}
