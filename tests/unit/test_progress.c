#include "tools/progress.h"

#include "tests/unit/tap.h"

static void test_eta(void)
{
	static const struct {
		uint64_t left;
		double per_s;
		const char *eta;
	} rows[] = {
		{ 10, 0, "" },
		{ 10, 10, "  ETA 1s" },
		{ 59, 1, "  ETA 59s" },
		{ 65, 1, "  ETA 1:05" },
		{ 3600, 1, "  ETA 1:00:00" },
		{ 36005, 10, "  ETA 1:00:01" },
		{ 360000, 0.1, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct progress_state s = {
			.verb = "push",
			.files_total = 1,
			.bytes = 1000000 - rows[i].left,
			.bytes_total = 1000000,
			.per_s = rows[i].per_s,
		};
		char line[256], *eta;

		progress_render(line, sizeof(line), 200, &s);
		eta = strstr(line, "/s");
		is_str(eta ? eta + 2 : line, rows[i].eta, "%u left at %.1f/s",
		       (unsigned int)rows[i].left, rows[i].per_s);
	}
}

int main(void)
{
	static const struct progress_state half = {
		.verb = "push",
		.files = 120,
		.files_total = 242,
		.bytes = 6100000,
		.bytes_total = 12000000,
		.per_s = 8.3e6,
	};
	static const struct progress_state early = {
		.verb = "push",
		.phase = "reading",
		.files = 12,
		.bytes = 5000,
	};
	static const struct progress_state nothing = {
		.verb = "push",
		.phase = "committing",
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
	       "push  [#########..........]  50%  120/242 files  6.1/12.0 MB  "
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
	is_str(line, "push  50%  120/242 files  6.1/12.0 MB  8.3 MB/s  ETA 1s",
	       "no bar where it does not fit");
	progress_render(line, sizeof(line), 19, &half);
	is_str(line, "push  50%  120/242 ", "the percentage comes first");
	progress_render(line, sizeof(line), 79, &nothing);
	is_str(line, "push: committing", "no numbers where there are none");
	test_eta();
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
