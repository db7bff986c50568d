/*
 * Scripted faults. Each line of the file is a rule:
 *
 *   KIND PATH NTH ACTION [ARGUMENT ...]
 *
 * KIND is a kind of request as in the log, or *; PATH a part of the raw path
 * and query, or *; NTH says to which of the requests that match KIND and PATH
 * it applies: a number from 1, a range 1-3, an open range 3-, or *. Of the
 * rules that apply to a request the first one acts. The file is read again,
 * and counting starts anew, when it changes.
 *
 *   status CODE S3CODE   answer with an S3 error, forward nothing
 *   404, 403             the same with NoSuchKey and AccessDenied
 *   ok-error S3CODE      answer 200 with an Error body, forward nothing
 *   key-error S3CODE     answer 200 with a DeleteResult that has an Error for
 *                        one key, forward nothing
 *   cut-before           close once the request is read, forward nothing
 *   away MS              the same, with all other connections, and refuse new
 *                        ones for that long
 *   stall                never answer, forward nothing
 *   lose-answer          let the server finish, then close without an answer
 *   cut BYTES            close after BYTES of the response body
 *   stall-body BYTES     send BYTES of the response body, then nothing
 *   short                half the body, with the Content-Length to match
 *   flip OFFSET          change one byte of the response body
 *   close-keepalive      answer fully, then close though it was not said, just
 *                        when the next request comes on that connection
 *   delay MS             the answer comes that much later
 *   flip-up OFFSET       change one byte of the request body
 *   twice                forward the request again once it is answered; the
 *                        client gets the second answer (as from a middlebox
 *                        that repeats; up to 1 MiB)
 *   repeat-answer        send the whole answer again, before that to the next
 *                        request on that connection (up to 1 MiB)
 */
#ifndef PROXY_FAULT_H
#define PROXY_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define FAULT_WORD 64

enum fault_action {
	FAULT_NONE,
	FAULT_STATUS,
	FAULT_CUT_BEFORE,
	FAULT_AWAY,
	FAULT_STALL,
	/* from here on the request is forwarded */
	FAULT_LOSE_ANSWER,
	FAULT_CUT,
	FAULT_STALL_BODY,
	FAULT_SHORT,
	FAULT_FLIP,
	FAULT_CLOSE_KEEPALIVE,
	FAULT_DELAY,
	FAULT_FLIP_UP,
	FAULT_TWICE,
	FAULT_REPEAT_ANSWER,
};

struct fault {
	enum fault_action action;
	char name[24]; /* the action's word, "-" for none */
	uint64_t value; /* bytes, offset or milliseconds */
	int status; /* FAULT_STATUS */
	bool of_key; /* FAULT_STATUS: within a DeleteResult */
	char code[FAULT_WORD]; /* FAULT_STATUS: the S3 error code */
};

struct fault_rule {
	char kind[16];
	char path[256];
	uint64_t first, last; /* which of the matching requests, from 1 */
	uint64_t seen;
	struct fault fault;
};

struct faults {
	const char *file; /* borrowed; NULL: no faults */
	struct stat read; /* the version of the file that was read */
	struct fault_rule *rules;
	size_t n_rules;
};

void faults_init(struct faults *fs, const char *file);
void faults_done(struct faults *fs);

/* Makes the next look-up read the file again. */
void faults_reload(struct faults *fs);

/* What shall happen to this request. A line that is no rule is fatal. */
struct fault faults_look_up(struct faults *fs, const char *kind,
			    const char *target);

static inline bool fault_forwards(const struct fault *f)
{
	return f->action == FAULT_NONE || f->action >= FAULT_LOSE_ANSWER;
}

#endif
