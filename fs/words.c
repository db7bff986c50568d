/*
 * A table, searched in order: it is read at start-up only.
 */
#include "fs/words.h"

#include <stddef.h>
#include <string.h>

#include "fs/options.h"

#define FIELD(name) ((unsigned int)offsetof(struct options, name))

static const struct word words[] = {
	/* ---- with a meaning here */
	{ "allow_other", WORD_FLAG, FIELD(allow_other) },
	{ "allow_root", WORD_FLAG, FIELD(allow_root) },
	{ "auto_unmount", WORD_FLAG, FIELD(auto_unmount) },
	{ "cache", WORD_PATH, FIELD(cache_dir) },
	{ "cache_dir", WORD_PATH, FIELD(cache_dir) },
	{ "cache_size", WORD_SIZE, FIELD(cache_size) },
	{ "dbglevel", WORD_LEVEL, FIELD(level) },
	{ "debug", WORD_DEBUG, FIELD(level) },
	{ "dir_mode", WORD_OCTAL, FIELD(dir_mode) },
	{ "file_mode", WORD_OCTAL, FIELD(file_mode) },
	{ "foreground", WORD_FLAG, FIELD(foreground) },
	{ "gid", WORD_ID, FIELD(gid) },
	{ "help", WORD_FLAG, FIELD(help) },
	{ "logfile", WORD_PATH, FIELD(logfile) },
	{ "max_background", WORD_COUNT, FIELD(max_background) },
	{ "max_cache_size", WORD_MEBIBYTES, FIELD(cache_size) },
	{ "metadata_ttl", WORD_TTL, FIELD(ttl_ms) },
	{ "noexec", WORD_FLAG, FIELD(noexec) },
	{ "prefix", WORD_TEXT, FIELD(prefix) },
	{ "read_ahead", WORD_SIZE, FIELD(read_ahead) },
	{ "read_only", WORD_FLAG, FIELD(read_only) },
	{ "ro", WORD_FLAG, FIELD(read_only) },
	{ "stat_cache_expire", WORD_TTL, FIELD(ttl_ms) },
	{ "ttl", WORD_TTL, FIELD(ttl_ms) },
	{ "uid", WORD_ID, FIELD(uid) },
	{ "umask", WORD_OCTAL, FIELD(umask) },
	{ "use_cache", WORD_PATH, FIELD(cache_dir) },
	{ "version", WORD_FLAG, FIELD(version) },

	/* ---- for mount(8), or so in any case */
	{ "_netdev", WORD_IGNORED, 0 },
	{ "async", WORD_IGNORED, 0 },
	{ "atime", WORD_IGNORED, 0 },
	{ "auto", WORD_IGNORED, 0 },
	{ "comment", WORD_IGNORED, 0 },
	{ "default_permissions", WORD_IGNORED, 0 },
	{ "defaults", WORD_IGNORED, 0 },
	{ "dev", WORD_IGNORED, 0 },
	{ "diratime", WORD_IGNORED, 0 },
	{ "dirsync", WORD_IGNORED, 0 },
	{ "exec", WORD_IGNORED, 0 },
	{ "group", WORD_IGNORED, 0 },
	{ "lazytime", WORD_IGNORED, 0 },
	{ "noatime", WORD_IGNORED, 0 },
	{ "noauto", WORD_IGNORED, 0 },
	{ "nodev", WORD_IGNORED, 0 },
	{ "nodiratime", WORD_IGNORED, 0 },
	{ "nofail", WORD_IGNORED, 0 },
	{ "nogroup", WORD_IGNORED, 0 },
	{ "nolazytime", WORD_IGNORED, 0 },
	{ "nonempty", WORD_IGNORED, 0 },
	{ "noowner", WORD_IGNORED, 0 },
	{ "norelatime", WORD_IGNORED, 0 },
	{ "nostrictatime", WORD_IGNORED, 0 },
	{ "nosuid", WORD_IGNORED, 0 },
	{ "nouser", WORD_IGNORED, 0 },
	{ "nousers", WORD_IGNORED, 0 },
	{ "owner", WORD_IGNORED, 0 },
	{ "relatime", WORD_IGNORED, 0 },
	{ "rw", WORD_IGNORED, 0 },
	{ "strictatime", WORD_IGNORED, 0 },
	{ "suid", WORD_IGNORED, 0 },
	{ "sync", WORD_IGNORED, 0 },
	{ "user", WORD_IGNORED, 0 },
	{ "users", WORD_IGNORED, 0 },

	/* ---- of s3fs */
	{ "ahbe_conf", WORD_NOTED_VALUE, 0 },
	{ "auto_cache", WORD_NOTED, 0 },
	{ "big_writes", WORD_NOTED, 0 },
	{ "bucket_size", WORD_NOTED_VALUE, 0 },
	{ "check_cache_dir_exist", WORD_NOTED, 0 },
	{ "compat_dir", WORD_NOTED, 0 },
	{ "complement_stat", WORD_NOTED, 0 },
	{ "credlib", WORD_REFUSED, 0 },
	{ "curldbg", WORD_NOTED, 0 },
	{ "default_acl", WORD_NOTED_VALUE, 0 },
	{ "del_cache", WORD_NOTED, 0 },
	{ "direct_io", WORD_NOTED, 0 },
	{ "disable_noobj_cache", WORD_NOTED, 0 },
	{ "ecs", WORD_NOTED, 0 },
	{ "enable_content_md5", WORD_NOTED, 0 },
	{ "enable_noobj_cache", WORD_NOTED, 0 },
	{ "enable_unsigned_payload", WORD_NOTED, 0 },
	{ "ensure_diskfree", WORD_NOTED_VALUE, 0 },
	{ "free_space_ratio", WORD_NOTED_VALUE, 0 },
	{ "iam_role", WORD_NOTED, 0 },
	{ "imdsv1only", WORD_NOTED, 0 },
	{ "instance_name", WORD_NOTED_VALUE, 0 },
	{ "ipresolve", WORD_NOTED_VALUE, 0 },
	{ "kernel_cache", WORD_NOTED, 0 },
	{ "list_object_max_keys", WORD_NOTED_VALUE, 0 },
	{ "listobjectsv2", WORD_NOTED, 0 },
	{ "load_sse_c", WORD_REFUSED, 0 },
	{ "max_dirty_data", WORD_NOTED_VALUE, 0 },
	{ "max_stat_cache_size", WORD_NOTED_VALUE, 0 },
	{ "max_thread_count", WORD_NOTED_VALUE, 0 },
	{ "mime", WORD_NOTED_VALUE, 0 },
	{ "mp_umask", WORD_NOTED_VALUE, 0 },
	{ "multipart_copy_size", WORD_NOTED_VALUE, 0 },
	{ "multipart_size", WORD_NOTED_VALUE, 0 },
	{ "multipart_threshold", WORD_NOTED_VALUE, 0 },
	{ "multireq_max", WORD_NOTED_VALUE, 0 },
	{ "nocopyapi", WORD_NOTED, 0 },
	{ "nomixupload", WORD_NOTED, 0 },
	{ "nomultipart", WORD_NOTED, 0 },
	{ "norenameapi", WORD_NOTED, 0 },
	{ "notsup_compat_dir", WORD_NOTED, 0 },
	{ "parallel_count", WORD_NOTED_VALUE, 0 },
	{ "proxy", WORD_REFUSED, 0 },
	{ "proxy_cred_file", WORD_REFUSED, 0 },
	{ "readwrite_timeout", WORD_NOTED_VALUE, 0 },
	{ "retries", WORD_NOTED_VALUE, 0 },
	{ "set_check_cache_sigusr1", WORD_NOTED, 0 },
	{ "sigv2", WORD_REFUSED, 0 },
	{ "sigv4", WORD_NOTED, 0 },
	{ "singlepart_copy_limit", WORD_NOTED_VALUE, 0 },
	{ "ssl_client_cert", WORD_REFUSED, 0 },
	{ "stat_cache_interval_expire", WORD_NOTED_VALUE, 0 },
	{ "streamupload", WORD_NOTED, 0 },
	{ "tmpdir", WORD_NOTED_VALUE, 0 },
	{ "update_parent_dir_stat", WORD_NOTED, 0 },
	{ "use_session_token", WORD_NOTED, 0 },
	{ "use_wtf8", WORD_REFUSED, 0 },
	{ "use_xattr", WORD_NOTED, 0 },

	/* ---- of mountpoint-s3 */
	{ "allow_delete", WORD_NOTED, 0 },
	{ "allow_overwrite", WORD_NOTED, 0 },
	{ "bind", WORD_REFUSED, 0 },
	{ "cache_xz", WORD_REFUSED, 0 },
	{ "debug_crt", WORD_NOTED, 0 },
	{ "dual_stack", WORD_REFUSED, 0 },
	{ "incremental_upload", WORD_NOTED, 0 },
	{ "log_directory", WORD_NOTED_VALUE, 0 },
	{ "log_metrics", WORD_NOTED, 0 },
	{ "max_threads", WORD_NOTED_VALUE, 0 },
	{ "maximum_throughput_gbps", WORD_NOTED_VALUE, 0 },
	{ "negative_metadata_ttl", WORD_NOTED_VALUE, 0 },
	{ "no_log", WORD_NOTED, 0 },
	{ "part_size", WORD_NOTED_VALUE, 0 },
	{ "read_part_size", WORD_NOTED_VALUE, 0 },
	{ "throughput_target_gbps", WORD_NOTED_VALUE, 0 },
	{ "transfer_acceleration", WORD_REFUSED, 0 },
	{ "write_part_size", WORD_NOTED_VALUE, 0 },
};

static bool same_word(const char *word, const char *known)
{
	while (*word && (*word == '-' ? '_' : *word) == *known)
		word++, known++;
	return !*word && !*known;
}

const struct word *word_find(const char *name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (same_word(name, words[i].name))
			return &words[i];
	return NULL;
}

bool word_needs_value(const struct word *w)
{
	switch (w->kind) {
	case WORD_FLAG:
	case WORD_DEBUG:
	case WORD_IGNORED:
	case WORD_NOTED:
	case WORD_REFUSED:
		return false;
	default:
		return true;
	}
}
