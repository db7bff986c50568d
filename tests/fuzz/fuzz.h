/*
 * What a fuzz target fuzz_NAME.c defines: one run on hostile bytes. It takes
 * the data as borrowed, returns 0, and reports bugs by dying.
 *
 * `make check` replays tests/fuzz/corpus/NAME through tests/fuzz/main.c; with
 * clang the same target links with -fsanitize=fuzzer in main.c's place.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
