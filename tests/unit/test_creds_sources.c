/*
 * Every source of access keys against a server and programs on loopback: one
 * row for each way it works and each way it fails.
 */
#include <errno.h>

#include "s3/creds.h"
#include "s3/metadata.h"
#include "s3/process.h"
#include "tests/unit/keyserver.h"

#define PRINTED(access, more) JSON(access, ",\"Version\":1" more)
#define STS(action, access)                                                    \
	"<" action "Response xmlns=\"https://sts.amazonaws.com/doc/"           \
	"2011-06-15/\"><" action "Result><Credentials><AccessKeyId>" access    \
	"</AccessKeyId><SecretAccessKey>SK-" access                            \
	"</SecretAccessKey><SessionToken>TK-" access                           \
	"</SessionToken><Expiration>%+3600;</Expiration></"                    \
	"Credentials></" action "Result></" action "Response>"
#define STS_ERROR(code)                                                        \
	"<ErrorResponse><Error><Type>Sender</Type><Code>" code                 \
	"</Code><Message>said so</Message></Error></ErrorResponse>"

#define STS_HERE "AWS_ENDPOINT_URL_STS=http://127.0.0.1:%P"
#define EC2_HERE                                                               \
	"AWS_EC2_METADATA_DISABLED=", "AWS_METADATA_SERVICE_NUM_ATTEMPTS=1",   \
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:%P/"
#define ROLES "GET /latest/meta-data/iam/security-credentials/ "
#define ROLE(name) "GET /latest/meta-data/iam/security-credentials/" name " "
#define TOKEN_RULE                                                             \
	{                                                                      \
		"PUT /latest/api/token ",                                      \
			"x-aws-ec2-metadata-token-ttl-seconds: 21600", 200,    \
			"IMDS-TOKEN", 0                                        \
	}
#define SHARED "x-aws-ec2-metadata-token: IMDS-TOKEN"

struct source_case {
	const char *name;
	const char *env[ENV_MAX];
	const char *config; /* ~/.aws/config */
	const char *file; /* %H/file, mode 0644 */
	mode_t config_mode; /* 0: 0644 */
	struct creds_options o;
	struct rule rules[RULES_MAX];
	int code;
	const char *want; /* "access:secret:token", or part of the error */
	const char *source; /* part of it */
	unsigned int requests;
};

#define ROLE_PROFILE                                                           \
	"[default]\nrole_arn = arn:aws:iam::1:role/r\n"                        \
	"source_profile = base\n"                                              \
	"[profile base]\naws_access_key_id = AKB\n"                            \
	"aws_secret_access_key = SKB\n"

static const struct source_case cases[] = {
	/* ---- credential_process */
	{ .name = "process",
	  .config = "[default]\ncredential_process = echo "
		    "'" PRINTED("AKP", ",\"SessionToken\":\"T\"") "'\n",
	  .want = "AKP:SK-AKP:T",
	  .source = "credential_process 'echo'" },
	{ .name = "process: quotes and backslashes, no shell",
	  .config = "[default]\ncredential_process = sh -c 'printf "
		    "\"{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"%s\\\","
		    "\\\"SecretAccessKey\\\":\\\"S\\\"}\" \"$0\"' $HOME\n",
	  .want = "$HOME:S:-" },
	{ .name = "process: time with an offset",
	  .config = "[default]\ncredential_process = echo "
		    "'" PRINTED("AKP", ",\"Expiration\":"
				       "\"2999-01-01T00:00:00+00:00\"") "'\n",
	  .want = "AKP:SK-AKP:-" },
	{ .name = "process: fails",
	  .config = "[default]\ncredential_process = sh -c 'echo hidden; echo "
		    "no ticket >&2; exit 3'\n",
	  .code = -EACCES,
	  .want = "profile 'default': credential_process: it ended with status "
		  "3: no ticket" },
	{ .name = "process: is no program",
	  .config = "[default]\ncredential_process = /nonexistent/x y\n",
	  .code = -EACCES,
	  .want = "'/nonexistent/x' cannot be run" },
	{ .name = "process: killed",
	  .config = "[default]\ncredential_process = sh -c 'kill -9 $$'\n",
	  .code = -EACCES,
	  .want = "signal 9" },
	{ .name = "process: prints no JSON",
	  .config = "[default]\ncredential_process = echo hello\n",
	  .code = -EACCES,
	  .want = "no JSON" },
	{ .name = "process: another version",
	  .config = "[default]\ncredential_process = echo '{\"Version\":2}'\n",
	  .code = -EACCES,
	  .want = "\"Version\": 1" },
	{ .name = "process: half the keys",
	  .config = "[default]\ncredential_process = echo "
		    "'{\"Version\":1,\"AccessKeyId\":\"A\"}'\n",
	  .code = -EACCES,
	  .want = "lacks SecretAccessKey" },
	{ .name = "process: control characters",
	  .config = "[default]\ncredential_process = echo "
		    "'{\"Version\":1,\"AccessKeyId\":\"A\\r\\nX: y\","
		    "\"SecretAccessKey\":\"S\"}'\n",
	  .code = -EACCES,
	  .want = "control characters" },
	{ .name = "process: too much",
	  .config = "[default]\ncredential_process = cat /dev/zero\n",
	  .code = -EACCES,
	  .want = "over 64 KiB" },
	{ .name = "process: leaves something in the background",
	  .config = "[default]\ncredential_process = sh -c 'sleep 100 & echo "
		    "$! >%H/file; echo \"$0\"' '" PRINTED("AKP", "") "'\n",
	  .want = "AKP:SK-AKP:-" },
	{ .name = "process: an open quote",
	  .config = "[default]\ncredential_process = echo 'x\n",
	  .code = -EACCES,
	  .want = "left open" },
	{ .name = "process: others may change which",
	  .config = "[default]\ncredential_process = echo x\n",
	  .config_mode = 0666,
	  .code = -EACCES,
	  .want = "chmod go-w" },

	/* ---- roles */
	{ .name = "role",
	  .env = { STS_HERE },
	  .config = ROLE_PROFILE,
	  .config_mode = 0600,
	  .rules = { { "POST / ", "Credential=AKB/", 200,
		       STS("AssumeRole", "ASR"), 0 } },
	  .want = "ASR:SK-ASR:TK-ASR",
	  .source = "role 'arn:aws:iam::1:role/r' (AssumeRole at 127.0.0.1",
	  .requests = 1 },
	{ .name = "role: the words of the request",
	  .env = { STS_HERE },
	  .config = ROLE_PROFILE "[profile x]\nrole_arn = arn:aws:iam::1:role/"
				 "r\nsource_profile = base\n"
				 "role_session_name = me@here\n"
				 "external_id = a b\nduration_seconds = 900\n",
	  .config_mode = 0600,
	  .o = { .profile = "x", .region = "eu-west-1" },
	  .rules = { { "POST / ",
		       "Action=AssumeRole&Version=2011-06-15&"
		       "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
		       "RoleSessionName=me%40here&ExternalId=a%20b&"
		       "DurationSeconds=900",
		       200, STS("AssumeRole", "ASR"), 0 } },
	  .want = "ASR:SK-ASR:TK-ASR",
	  .requests = 1 },
	{ .name = "role: signed for the region",
	  .env = { STS_HERE },
	  .config = ROLE_PROFILE,
	  .config_mode = 0600,
	  .o = { .region = "eu-west-1" },
	  .rules = { { "POST / ", "/eu-west-1/sts/aws4_request", 200,
		       STS("AssumeRole", "ASR"), 0 } },
	  .want = "ASR:SK-ASR:TK-ASR",
	  .requests = 1 },
	{ .name = "role: AWS_ENDPOINT_URL, with a path",
	  .env = { "AWS_ENDPOINT_URL=http://127.0.0.1:%P/sts" },
	  .config = ROLE_PROFILE,
	  .config_mode = 0600,
	  .rules = { { "POST /sts ", NULL, 200, STS("AssumeRole", "ASR"), 0 } },
	  .want = "ASR:SK-ASR:TK-ASR",
	  .requests = 1 },
	{ .name = "role: chain",
	  .env = { STS_HERE },
	  .config = "[default]\nrole_arn = r2\nsource_profile = mid\n"
		    "[profile mid]\nrole_arn = r1\nsource_profile = base\n"
		    "[profile base]\naws_access_key_id = AKB\n"
		    "aws_secret_access_key = SKB\n",
	  .config_mode = 0600,
	  .rules = { { "POST / ", "Credential=AKB/", 200,
		       STS("AssumeRole", "ASR1"), 0 },
		     { "POST / ", "x-amz-security-token: TK-ASR1", 200,
		       STS("AssumeRole", "ASR2"), 0 } },
	  .want = "ASR2:SK-ASR2:TK-ASR2",
	  .requests = 2 },
	{ .name = "role: the profile's own keys as source",
	  .env = { STS_HERE },
	  .config = "[default]\nrole_arn = r\nsource_profile = default\n"
		    "aws_access_key_id = AKB\naws_secret_access_key = S\n",
	  .config_mode = 0600,
	  .rules = { { "POST / ", "Credential=AKB/", 200,
		       STS("AssumeRole", "ASR"), 0 } },
	  .want = "ASR:SK-ASR:TK-ASR",
	  .requests = 1 },
	{ .name = "role: loop",
	  .config = "[default]\nrole_arn = r\nsource_profile = b\n"
		    "[profile b]\nrole_arn = r\nsource_profile = default\n",
	  .code = -EACCES,
	  .want = "source_profile 'default' leads in a circle" },
	{ .name = "role: its own source without keys",
	  .config = "[default]\nrole_arn = r\nsource_profile = default\n",
	  .code = -EACCES,
	  .want = "leads in a circle" },
	{ .name = "role: source does not exist",
	  .config = "[default]\nrole_arn = r\nsource_profile = b\n",
	  .code = -EACCES,
	  .want = "source_profile 'b' does not exist" },
	{ .name = "role: no source",
	  .config = "[default]\nrole_arn = r\n",
	  .code = -EACCES,
	  .want = "needs one of source_profile and credential_source" },
	{ .name = "role: two sources",
	  .config = "[default]\nrole_arn = r\nsource_profile = b\n"
		    "credential_source = Environment\n",
	  .code = -EACCES,
	  .want = "only one of" },
	{ .name = "role: source Environment",
	  .env = { STS_HERE, "AWS_ACCESS_KEY_ID=AKE",
		   "AWS_SECRET_ACCESS_KEY=SKE" },
	  .config = "[profile x]\nrole_arn = r\n"
		    "credential_source = Environment\n",
	  .o = { .profile = "x" },
	  .rules = { { "POST / ", "Credential=AKE/", 200,
		       STS("AssumeRole", "ASR"), 0 } },
	  .want = "ASR:SK-ASR:TK-ASR",
	  .requests = 1 },
	{ .name = "role: source Environment, which is empty",
	  .config = "[profile x]\nrole_arn = r\n"
		    "credential_source = Environment\n",
	  .o = { .profile = "x" },
	  .code = -EACCES,
	  .want = "credential_source Environment has no keys" },
	{ .name = "role: source EcsContainer",
	  .env = { STS_HERE, CONTAINER },
	  .config = "[default]\nrole_arn = r\n"
		    "credential_source = EcsContainer\n",
	  .rules = { { "GET /keys ", NULL, 200, TEMPORARY("AKC", 900), 0 },
		     { "POST / ", "Credential=AKC/", 200,
		       STS("AssumeRole", "ASR"), 0 } },
	  .want = "ASR:SK-ASR:TK-ASR",
	  .requests = 2 },
	{ .name = "role: source Ec2InstanceMetadata",
	  .env = { STS_HERE, EC2_HERE },
	  .config = "[default]\nrole_arn = r\n"
		    "credential_source = Ec2InstanceMetadata\n",
	  .rules = { TOKEN_RULE,
		     { ROLES, SHARED, 200, "box\n", 0 },
		     { ROLE("box"), SHARED, 200, TEMPORARY("AKI", 900), 0 },
		     { "POST / ", "Credential=AKI/", 200,
		       STS("AssumeRole", "ASR"), 0 } },
	  .want = "ASR:SK-ASR:TK-ASR",
	  .requests = 4 },
	{ .name = "role: unknown source",
	  .config = "[default]\nrole_arn = r\ncredential_source = Moon\n",
	  .code = -EACCES,
	  .want = "credential_source 'Moon' is none of" },
	{ .name = "role: needs a code from a person",
	  .config = ROLE_PROFILE "[profile m]\nrole_arn = r\n"
				 "source_profile = base\nmfa_serial = s\n",
	  .config_mode = 0600,
	  .o = { .profile = "m" },
	  .code = -EACCES,
	  .want = "mfa_serial" },
	{ .name = "role: refused",
	  .env = { STS_HERE },
	  .config = ROLE_PROFILE,
	  .config_mode = 0600,
	  .rules = { { "POST / ", NULL, 403, STS_ERROR("AccessDenied"), 0 } },
	  .code = -EACCES,
	  .want = "403 AccessDenied: said so; may these keys",
	  .requests = 1 },
	{ .name = "role: throttled, then given",
	  .env = { STS_HERE },
	  .config = ROLE_PROFILE,
	  .config_mode = 0600,
	  .rules = { { "POST / ", NULL, 400, STS_ERROR("Throttling"), 1 },
		     { "POST / ", NULL, 500, "oops", 1 },
		     { "POST / ", NULL, 200, STS("AssumeRole", "ASR"), 0 } },
	  .want = "ASR:SK-ASR:TK-ASR",
	  .requests = 3 },
	{ .name = "role: STS is down",
	  .env = { STS_HERE },
	  .config = ROLE_PROFILE,
	  .config_mode = 0600,
	  .rules = { { "POST / ", NULL, 503, "", 0 } },
	  .code = -EIO,
	  .want = "status 503",
	  .requests = 3 },
	{ .name = "role: STS cannot be reached",
	  .env = { "AWS_ENDPOINT_URL_STS=http://127.0.0.1:1" },
	  .config = ROLE_PROFILE,
	  .config_mode = 0600,
	  .code = -EIO,
	  .want = "AssumeRole at 127.0.0.1:1: " },
	{ .name = "role: not STS there",
	  .env = { STS_HERE },
	  .config = ROLE_PROFILE,
	  .config_mode = 0600,
	  .rules = { { "POST / ", NULL, 200, "<html></html>", 0 } },
	  .code = -EACCES,
	  .want = "status 200, and no answer of STS",
	  .requests = 1 },
	{ .name = "role: bad endpoint",
	  .env = { "AWS_ENDPOINT_URL_STS=::::" },
	  .config = ROLE_PROFILE,
	  .config_mode = 0600,
	  .code = -EINVAL,
	  .want = "endpoint of STS '::::'" },

	/* ---- web identity */
	{ .name = "web identity",
	  .env = { STS_HERE, "AWS_WEB_IDENTITY_TOKEN_FILE=%H/file",
		   "AWS_ROLE_ARN=r", "AWS_ROLE_SESSION_NAME=pod" },
	  .file = "ey.J.x\n",
	  .rules = { { "POST / ", "authorization:", 400, "signed", 0 },
		     { "POST / ",
		       "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&"
		       "RoleArn=r&RoleSessionName=pod&WebIdentityToken=ey.J.x",
		       200, STS("AssumeRoleWithWebIdentity", "ASW"), 0 } },
	  .want = "ASW:SK-ASW:TK-ASW",
	  .source = "AssumeRoleWithWebIdentity",
	  .requests = 1 },
	{ .name = "web identity of a profile",
	  .env = { STS_HERE },
	  .config = "[default]\nrole_arn = r\n"
		    "web_identity_token_file = %H/file\n",
	  .file = "token",
	  .rules = { { "POST / ", "WebIdentityToken=token", 200,
		       STS("AssumeRoleWithWebIdentity", "ASW"), 0 } },
	  .want = "ASW:SK-ASW:TK-ASW",
	  .requests = 1 },
	{ .name = "web identity without a role",
	  .env = { "AWS_WEB_IDENTITY_TOKEN_FILE=%H/file" },
	  .code = -EACCES,
	  .want = "not AWS_ROLE_ARN" },
	{ .name = "web identity without the file",
	  .env = { "AWS_WEB_IDENTITY_TOKEN_FILE=%H/none", "AWS_ROLE_ARN=r" },
	  .code = -EACCES,
	  .want = "none' does not exist" },
	{ .name = "web identity, an empty file",
	  .env = { "AWS_WEB_IDENTITY_TOKEN_FILE=%H/file", "AWS_ROLE_ARN=r" },
	  .file = "\n",
	  .code = -EACCES,
	  .want = "is empty" },
	{ .name = "web identity out of date",
	  .env = { STS_HERE, "AWS_WEB_IDENTITY_TOKEN_FILE=%H/file",
		   "AWS_ROLE_ARN=r" },
	  .file = "token",
	  .rules = { { "POST / ", NULL, 400, STS_ERROR("ExpiredTokenException"),
		       0 } },
	  .code = -EACCES,
	  .want = "the token file is out of date",
	  .requests = 1 },

	/* ---- containers */
	{ .name = "container",
	  .env = { CONTAINER },
	  .rules = { { "GET /keys ", NULL, 200, TEMPORARY("AKC", 900), 0 } },
	  .want = "AKC:SK-AKC:TK-AKC",
	  .source = "container (http://127.0.0.1",
	  .requests = 1 },
	{ .name = "container, by option",
	  .env = { CONTAINER, "AWS_ACCESS_KEY_ID=AKE",
		   "AWS_SECRET_ACCESS_KEY=SKE" },
	  .o = { .ecs = true },
	  .rules = { { "GET /keys ", NULL, 200, TEMPORARY("AKC", 900), 0 } },
	  .want = "AKC:SK-AKC:TK-AKC",
	  .requests = 1 },
	{ .name = "container, by option, and no container",
	  .o = { .ecs = true },
	  .code = -EACCES,
	  .want = "is this a container" },
	{ .name = "container: authorisation",
	  .env = { CONTAINER, "AWS_CONTAINER_AUTHORIZATION_TOKEN=Basic x" },
	  .rules = { { "GET /keys ", "authorization: Basic x\r\n", 200,
		       TEMPORARY("AKC", 900), 0 } },
	  .want = "AKC:SK-AKC:TK-AKC",
	  .requests = 1 },
	{ .name = "container: authorisation from a file goes first",
	  .env = { CONTAINER, "AWS_CONTAINER_AUTHORIZATION_TOKEN=Basic x",
		   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%H/file" },
	  .file = "pod-token\n",
	  .rules = { { "GET /keys ", "authorization: pod-token\r\n", 200,
		       TEMPORARY("AKC", 900), 0 } },
	  .want = "AKC:SK-AKC:TK-AKC",
	  .requests = 1 },
	{ .name = "container: authorisation with a header of its own",
	  .env = { CONTAINER,
		   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%H/file" },
	  .file = "x\r\nhost: y",
	  .code = -EACCES,
	  .want = "line breaks" },
	{ .name = "container: no file",
	  .env = { CONTAINER,
		   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%H/none" },
	  .code = -EACCES,
	  .want = "none' does not exist" },
	{ .name = "container: refuses",
	  .env = { CONTAINER },
	  .rules = { { "GET /keys ", NULL, 403,
		       "{\"code\":\"Denied\",\"message\":\"not you\"}", 0 } },
	  .code = -EACCES,
	  .want = "status 403: Denied: not you",
	  .requests = 1 },
	{ .name = "container: stumbles",
	  .env = { CONTAINER },
	  .rules = { { "GET /keys ", NULL, 500, "", 1 },
		     { "GET /keys ", NULL, 200, TEMPORARY("AKC", 900), 0 } },
	  .want = "AKC:SK-AKC:TK-AKC",
	  .requests = 2 },
	{ .name = "container: in plain text over the network",
	  .env = { "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/" },
	  .code = -EACCES,
	  .want = "neither https nor http on loopback" },
	{ .name = "container: past a proxy",
	  .env = { CONTAINER, "http_proxy=http://127.0.0.1:1",
		   "ALL_PROXY=http://127.0.0.1:1" },
	  .rules = { { "GET /keys ", NULL, 200, TEMPORARY("AKC", 900), 0 } },
	  .want = "AKC:SK-AKC:TK-AKC",
	  .requests = 1 },

	/* ---- EC2 */
	{ .name = "EC2",
	  .env = { EC2_HERE },
	  .rules = { TOKEN_RULE,
		     { ROLES, SHARED, 200, "box", 0 },
		     { ROLE("box"), SHARED, 200,
		       JSON("AKI", ",\"Code\":\"Success\",\"Token\":\"T\","
				   "\"Expiration\":\"%+900;\""),
		       0 } },
	  .want = "AKI:SK-AKI:T",
	  .source = "EC2 instance role 'box'",
	  .requests = 3 },
	{ .name = "EC2, a role by option, before the environment",
	  .env = { EC2_HERE, "AWS_ACCESS_KEY_ID=AKE",
		   "AWS_SECRET_ACCESS_KEY=SKE" },
	  .o = { .iam_role = "box" },
	  .rules = { TOKEN_RULE,
		     { ROLE("box"), SHARED, 200, TEMPORARY("AKI", 900), 0 } },
	  .want = "AKI:SK-AKI:TK-AKI",
	  .requests = 2 },
	{ .name = "EC2, version 1 by option",
	  .env = { EC2_HERE },
	  .o = { .iam_role = "auto", .imds_v1 = true },
	  .rules = { { ROLES, NULL, 200, "box", 0 },
		     { ROLE("box"), NULL, 200, TEMPORARY("AKI", 900), 0 } },
	  .want = "AKI:SK-AKI:TK-AKI",
	  .requests = 2 },
	{ .name = "EC2: no version 2, and version 1 is not tried",
	  .env = { EC2_HERE },
	  .o = { .iam_role = "auto" },
	  .rules = { { ROLES, NULL, 200, "box", 0 },
		     { ROLE("box"), NULL, 200, TEMPORARY("AKI", 900), 0 } },
	  .code = -EACCES,
	  .want = "status 404 where a session token was due: no IMDSv2",
	  .requests = 1 },
	{ .name = "EC2: the token is lost on the way",
	  .env = { EC2_HERE },
	  .o = { .iam_role = "auto" },
	  .rules = { { "PUT /latest/api/token ", NULL, 0, NULL, 0 } },
	  .code = -EIO,
	  .want = "hop limit of the instance's metadata must be 2",
	  .requests = 1 },
	{ .name = "EC2: turned off",
	  .env = { EC2_HERE },
	  .o = { .iam_role = "auto" },
	  .rules = { { "PUT /latest/api/token ", NULL, 403, "", 0 } },
	  .code = -EACCES,
	  .want = "is turned off",
	  .requests = 1 },
	{ .name = "EC2: no role",
	  .env = { EC2_HERE },
	  .o = { .iam_role = "auto" },
	  .rules = { TOKEN_RULE },
	  .code = -EACCES,
	  .want = "attach an instance profile",
	  .requests = 2 },
	{ .name = "EC2: no such role",
	  .env = { EC2_HERE },
	  .o = { .iam_role = "other" },
	  .rules = { TOKEN_RULE },
	  .code = -EACCES,
	  .want = "no such role here",
	  .requests = 2 },
	{ .name = "EC2: a failure of status 200",
	  .env = { EC2_HERE },
	  .o = { .iam_role = "box" },
	  .rules = { TOKEN_RULE,
		     { ROLE("box"), SHARED, 200,
		       "{\"Code\":\"AssumeRoleUnauthorizedAccess\","
		       "\"Message\":\"no trust\"}",
		       0 } },
	  .code = -EACCES,
	  .want = "AssumeRoleUnauthorizedAccess: no trust",
	  .requests = 2 },
	{ .name = "EC2: nobody there",
	  .env = { "AWS_EC2_METADATA_DISABLED=",
		   "AWS_METADATA_SERVICE_NUM_ATTEMPTS=1",
		   "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1" },
	  .code = -EACCES,
	  .want = "no credentials found: set" },
	{ .name = "EC2: disabled",
	  .env = { EC2_HERE, "AWS_EC2_METADATA_DISABLED=TRUE" },
	  .rules = { TOKEN_RULE },
	  .code = -EACCES,
	  .want = "no credentials found: set" },

	/* ---- order */
	{ .name = "web identity goes before a profile",
	  .env = { STS_HERE, "AWS_WEB_IDENTITY_TOKEN_FILE=%H/file",
		   "AWS_ROLE_ARN=r" },
	  .config = "[default]\ncredential_process = false\n",
	  .file = "token",
	  .rules = { { "POST / ", "WebIdentityToken=token", 200,
		       STS("AssumeRoleWithWebIdentity", "ASW"), 0 } },
	  .want = "ASW:SK-ASW:TK-ASW",
	  .requests = 1 },
	{ .name = "a profile goes before the container",
	  .env = { CONTAINER },
	  .config = "[default]\ncredential_process = echo "
		    "'" PRINTED("AKP", "") "'\n",
	  .want = "AKP:SK-AKP:-" },
	{ .name = "a source that fails ends the search",
	  .env = { CONTAINER },
	  .config = "[default]\ncredential_process = false\n",
	  .rules = { { "GET /keys ", NULL, 200, TEMPORARY("AKC", 900), 0 } },
	  .code = -EACCES,
	  .want = "it ended with status 1" },
	{ .name = "single sign-on",
	  .config = "[default]\nsso_session = s\n",
	  .code = -EACCES,
	  .want = "aws configure export-credentials" },
};

static void check_source(const struct source_case *c)
{
	struct creds_options o = c->o;
	struct creds_keys *k;
	struct creds *creds = NULL;
	struct err e = { 0 };
	char text[500] = "";
	int r;

	o.bucket = "show";
	set_env(c->env);
	set_rules(c->rules);
	write_file(".aws/config", c->config ? c->config : "",
		   c->config_mode ? c->config_mode : 0644);
	write_file("file", c->file ? c->file : "", 0644);
	r = creds_open(&creds, &o, &e);
	is_int(r, c->code, "%s: %s", c->name, e.text);
	is_int(asked(), c->requests, "%s: requests", c->name);
	if (r || c->code) {
		ok(r && strstr(e.text, c->want), "%s: the error", c->name);
		ok(!strstr(e.text, "hidden") && !strstr(e.text, "SK-"),
		   "%s: no secrets in it", c->name);
		if (r && server.last[0] && !c->code)
			printf("# no rule for: %s\n", server.last);
		creds_free(creds);
		return;
	}
	k = creds_get(creds);
	(void)snprintf(text, sizeof(text), "%s:%s:%s", k->access, k->secret,
		       k->token ? k->token : "-");
	is_str(text, c->want, "%s: keys", c->name);
	if (c->source)
		ok(strstr(k->source, c->source), "%s: source '%s'", c->name,
		   k->source);
	creds_keys_put(k);
	creds_free(creds);
}

static void test_urls(void)
{
	static const struct {
		const char *url;
		int code;
	} urls[] = {
		{ "http://127.0.0.1/x", 0 },
		{ "http://127.9.9.9:80/x", 0 },
		{ "http://localhost:1/x", 0 },
		{ "http://[::1]/x", 0 },
		{ "http://169.254.170.2/v2", 0 },
		{ "http://169.254.170.23/v1", 0 },
		{ "http://[fd00:ec2::23]/v1", 0 },
		{ "https://example.com/x", 0 },
		{ "http://example.com/x", -EACCES },
		{ "http://169.254.169.254/x", -EACCES },
		{ "http://127.0.0.1.example.com/x", -EACCES },
		{ "http://localhost.example.com/x", -EACCES },
		{ "http://localhost@example.com/x", -EACCES },
		{ "http://128.0.0.1/x", -EACCES },
		{ "ftp://127.0.0.1/x", -EACCES },
		{ "file:///etc/passwd", -EACCES },
		{ "nonsense", -EACCES },
		{ "", -EACCES },
	};

	for (size_t i = 0; i < TAP_COUNT(urls); i++)
		is_int(metadata_check_url(urls[i].url, NULL), urls[i].code,
		       "'%s'", urls[i].url);
}

static void test_words(void)
{
	static const struct {
		const char *line;
		const char *want; /* words between '|'; NULL: refused */
	} lines[] = {
		{ "a b  c", "a|b|c|" },
		{ " \ta ", "a|" },
		{ "'a b'c\"d e\"", "a bcd e|" },
		{ "a\\ b \\\\", "a b|\\|" },
		{ "\"a\\\"b\\\\c\\d\"", "a\"b\\c\\d|" },
		{ "'a\\'", "a\\|" },
		{ "'' \"\"", "||" },
		{ "$X *;|`x`", "$X|*;|`x`|" },
		{ "'a", NULL },
		{ "\"a\\\"", NULL },
		{ "a\\", NULL },
		{ "", NULL },
		{ "  ", NULL },
	};

	for (size_t i = 0; i < TAP_COUNT(lines); i++) {
		CLEANUP_BUF struct buf room = BUF_INIT(4096);
		CLEANUP_BUF struct buf all = BUF_INIT(4096);
		char *words[PROCESS_WORDS_MAX + 1];
		int r = process_split(words, &room, lines[i].line, NULL);

		for (size_t w = 0; !r && words[w]; w++)
			(void)buf_addf(&all, "%s|", words[w]);
		if (lines[i].want)
			is_str(all.data, lines[i].want, "words of <%s>",
			       lines[i].line);
		else
			is_int(r, -EINVAL, "words of <%s>", lines[i].line);
	}
}

int main(void)
{
	surroundings_open();
	for (size_t i = 0; i < TAP_COUNT(cases); i++)
		check_source(&cases[i]);
	test_urls();
	test_words();
	surroundings_close();
	return tap_done();
}
