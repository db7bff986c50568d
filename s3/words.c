/*
 * A table, searched in order: it is read at start-up only.
 */
#include "s3/words.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	enum words_kind kind;
} words[] = {
	/* ---- of the mount */
	{ "allow_other", WORDS_MOUNT },
	{ "allow_root", WORDS_MOUNT },
	{ "auto_unmount", WORDS_MOUNT },
	{ "cache", WORDS_MOUNT },
	{ "cache_dir", WORDS_MOUNT },
	{ "cache_size", WORDS_MOUNT },
	{ "dbglevel", WORDS_MOUNT },
	{ "debug", WORDS_MOUNT },
	{ "dir_mode", WORDS_MOUNT },
	{ "excl", WORDS_MOUNT },
	{ "file_mode", WORDS_MOUNT },
	{ "foreground", WORDS_MOUNT },
	{ "fsname", WORDS_MOUNT },
	{ "gid", WORDS_MOUNT },
	{ "help", WORDS_MOUNT },
	{ "logfile", WORDS_MOUNT },
	{ "max_background", WORDS_MOUNT },
	{ "max_cache_size", WORDS_MOUNT },
	{ "max_memory", WORDS_MOUNT },
	{ "max_read", WORDS_MOUNT },
	{ "metadata_ttl", WORDS_MOUNT },
	{ "noexec", WORDS_MOUNT },
	{ "prefetch", WORDS_MOUNT },
	{ "prefix", WORDS_MOUNT },
	{ "read_ahead", WORDS_MOUNT },
	{ "read_only", WORDS_MOUNT },
	{ "readahead", WORDS_MOUNT },
	{ "ro", WORDS_MOUNT },
	{ "shared_cache", WORDS_MOUNT },
	{ "stat_cache_expire", WORDS_MOUNT },
	{ "subtype", WORDS_MOUNT },
	{ "ttl", WORDS_MOUNT },
	{ "uid", WORDS_MOUNT },
	{ "umask", WORDS_MOUNT },
	{ "use_cache", WORDS_MOUNT },
	{ "version", WORDS_MOUNT },
	{ "write", WORDS_MOUNT },

	/* ---- for mount(8), or so in any case */
	{ "_netdev", WORDS_IGNORED },
	{ "async", WORDS_IGNORED },
	{ "atime", WORDS_IGNORED },
	{ "auto", WORDS_IGNORED },
	{ "comment", WORDS_IGNORED },
	{ "default_permissions", WORDS_IGNORED },
	{ "defaults", WORDS_IGNORED },
	{ "dev", WORDS_IGNORED },
	{ "diratime", WORDS_IGNORED },
	{ "dirsync", WORDS_IGNORED },
	{ "exec", WORDS_IGNORED },
	{ "group", WORDS_IGNORED },
	{ "lazytime", WORDS_IGNORED },
	{ "noatime", WORDS_IGNORED },
	{ "noauto", WORDS_IGNORED },
	{ "nodev", WORDS_IGNORED },
	{ "nodiratime", WORDS_IGNORED },
	{ "nofail", WORDS_IGNORED },
	{ "nogroup", WORDS_IGNORED },
	{ "nolazytime", WORDS_IGNORED },
	{ "nonempty", WORDS_IGNORED },
	{ "noowner", WORDS_IGNORED },
	{ "norelatime", WORDS_IGNORED },
	{ "nostrictatime", WORDS_IGNORED },
	{ "nosuid", WORDS_IGNORED },
	{ "nouser", WORDS_IGNORED },
	{ "nousers", WORDS_IGNORED },
	{ "owner", WORDS_IGNORED },
	{ "relatime", WORDS_IGNORED },
	{ "rw", WORDS_IGNORED },
	{ "strictatime", WORDS_IGNORED },
	{ "suid", WORDS_IGNORED },
	{ "sync", WORDS_IGNORED },
	{ "use_session_token", WORDS_IGNORED },
	{ "user", WORDS_IGNORED },
	{ "users", WORDS_IGNORED },

	/* ---- of s3fs */
	{ "ahbe_conf", WORDS_NOTED_VALUE },
	{ "auto_cache", WORDS_NOTED },
	{ "big_writes", WORDS_NOTED },
	{ "bucket_size", WORDS_NOTED_VALUE },
	{ "check_cache_dir_exist", WORDS_NOTED },
	{ "compat_dir", WORDS_NOTED },
	{ "complement_stat", WORDS_NOTED },
	{ "credlib", WORDS_REFUSED },
	{ "curldbg", WORDS_NOTED },
	{ "default_acl", WORDS_NOTED_VALUE },
	{ "del_cache", WORDS_NOTED },
	{ "direct_io", WORDS_NOTED },
	{ "disable_noobj_cache", WORDS_NOTED },
	{ "enable_content_md5", WORDS_NOTED },
	{ "enable_noobj_cache", WORDS_NOTED },
	{ "enable_unsigned_payload", WORDS_NOTED },
	{ "ensure_diskfree", WORDS_NOTED_VALUE },
	{ "free_space_ratio", WORDS_NOTED_VALUE },
	{ "instance_name", WORDS_NOTED_VALUE },
	{ "ipresolve", WORDS_NOTED_VALUE },
	{ "kernel_cache", WORDS_NOTED },
	{ "list_object_max_keys", WORDS_NOTED_VALUE },
	{ "listobjectsv2", WORDS_NOTED },
	{ "load_sse_c", WORDS_REFUSED },
	{ "max_dirty_data", WORDS_NOTED_VALUE },
	{ "max_stat_cache_size", WORDS_NOTED_VALUE },
	{ "max_thread_count", WORDS_NOTED_VALUE },
	{ "mime", WORDS_NOTED_VALUE },
	{ "mp_umask", WORDS_NOTED_VALUE },
	{ "multipart_copy_size", WORDS_NOTED_VALUE },
	{ "multipart_size", WORDS_NOTED_VALUE },
	{ "multipart_threshold", WORDS_NOTED_VALUE },
	{ "multireq_max", WORDS_NOTED_VALUE },
	{ "nocopyapi", WORDS_NOTED },
	{ "nomixupload", WORDS_NOTED },
	{ "nomultipart", WORDS_NOTED },
	{ "norenameapi", WORDS_NOTED },
	{ "notsup_compat_dir", WORDS_NOTED },
	{ "parallel_count", WORDS_NOTED_VALUE },
	{ "proxy", WORDS_REFUSED },
	{ "proxy_cred_file", WORDS_REFUSED },
	{ "readwrite_timeout", WORDS_NOTED_VALUE },
	{ "retries", WORDS_NOTED_VALUE },
	{ "set_check_cache_sigusr1", WORDS_NOTED },
	{ "sigv2", WORDS_REFUSED },
	{ "sigv4", WORDS_NOTED },
	{ "singlepart_copy_limit", WORDS_NOTED_VALUE },
	{ "ssl_client_cert", WORDS_REFUSED },
	{ "stat_cache_interval_expire", WORDS_NOTED_VALUE },
	{ "streamupload", WORDS_NOTED },
	{ "tmpdir", WORDS_NOTED_VALUE },
	{ "update_parent_dir_stat", WORDS_NOTED },
	{ "use_wtf8", WORDS_REFUSED },
	{ "use_xattr", WORDS_NOTED },

	/* ---- of mountpoint-s3 */
	{ "allow_delete", WORDS_NOTED },
	{ "allow_overwrite", WORDS_NOTED },
	{ "bind", WORDS_REFUSED },
	{ "cache_xz", WORDS_REFUSED },
	{ "debug_crt", WORDS_NOTED },
	{ "dual_stack", WORDS_REFUSED },
	{ "incremental_upload", WORDS_NOTED },
	{ "log_directory", WORDS_NOTED_VALUE },
	{ "log_metrics", WORDS_NOTED },
	{ "max_threads", WORDS_NOTED_VALUE },
	{ "maximum_throughput_gbps", WORDS_NOTED_VALUE },
	{ "negative_metadata_ttl", WORDS_NOTED_VALUE },
	{ "no_log", WORDS_NOTED },
	{ "part_size", WORDS_NOTED_VALUE },
	{ "read_part_size", WORDS_NOTED_VALUE },
	{ "throughput_target_gbps", WORDS_NOTED_VALUE },
	{ "transfer_acceleration", WORDS_REFUSED },
	{ "write_part_size", WORDS_NOTED_VALUE },
};

bool words_same(const char *word, const char *known)
{
	while (*word && (*word == '-' ? '_' : *word) == *known)
		word++, known++;
	return !*word && !*known;
}

enum words_kind words_find(const char *name, const char **ret_name)
{
	/* Words that mount(8) and its like keep for themselves. */
	if (!strncasecmp(name, "x-", 2)) {
		*ret_name = name;
		return WORDS_IGNORED;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words_same(name, words[i].name)) {
			*ret_name = words[i].name;
			return words[i].kind;
		}
	return WORDS_UNKNOWN;
}
