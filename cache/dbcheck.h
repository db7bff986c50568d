/*
 * Whether an LMDB environment can be trusted after an unclean stop.
 *
 * LMDB maps its file and believes it: a damaged page may end the process that
 * reads it. So a child process walks all of it, and its death is the answer.
 *
 * Threads: any; the child of a process with threads only uses memory, LMDB and
 * _exit. No process may have the environment open.
 */
#pragma once

#include <stdbool.h>

/* dir: of data.mdb and the mark. True without walking when cachedb_mark_clean's
 * mark fits the file as it is, or there is none. The mark is removed. */
bool dbcheck_trusted(const char *dir);
/* Leaves the mark for the file as it is now. */
void dbcheck_mark(const char *dir);
