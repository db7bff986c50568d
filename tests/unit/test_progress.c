#include "tools/progress.h"

#include "tests/unit/tap.h"

int main(void)
{
	static const struct progress_state half = {
		.verb = "push",
		.files = 120,
		.files_total = 242,
		.bytes = 6100000,
		.bytes_total = 12000000,
		.seconds = 0.735,
	};
	static const struct progress_state early = {
		.verb = "push",
		.phase = "reading",
		.files = 12,
		.bytes = 5000,
		.seconds = 1,
	};
	static const struct progress_state over = {
		.verb = "pull",
		.files = 9,
		.files_total = 3,
		.bytes = 9,
		.bytes_total = 3,
	};
	char line[256];

	progress_render(line, sizeof(line), 79, &half);
	is_str(line,
	       "push  [#########..........]  51%  120/242 files  6.1/12.0 MB  "
	       "8.3 MB/s  ETA 1s",
	       "fills the width");
	for (unsigned int columns = 1; columns < 200; columns++) {
		progress_render(line, sizeof(line), columns, &half);
		if (strlen(line) > columns)
			break;
		if (columns == 199)
			ok(true, "never wider than the terminal");
	}
	progress_render(line, sizeof(line), 60, &half);
	is_str(line, "push  120/242 files  6.1/12.0 MB  8.3 MB/s  ETA 1s",
	       "no bar where it does not fit");
	progress_render(line, sizeof(line), 79, &early);
	is_str(line, "push: reading  12 files  5.0 kB", "totals not known");
	progress_render(line, sizeof(line), 79, &over);
	ok(strstr(line, "100%"), "never more than all");

	progress_add(NULL, 1, 1);
	progress_total(NULL, 1, 1);
	progress_phase(NULL, "x");
	progress_stop(NULL);
	ok(!progress_start("test", true), "quiet draws nothing");
	return tap_done();
}
