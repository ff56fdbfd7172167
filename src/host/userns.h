#pragma once
/* User namespaces: making one, and the maps that give it ids. */
#include <runnel/attr.h>
#include <stdbool.h>
#include <sys/types.h>

/* Whose ids the single mapped id stands for, as seen from outside, and what it is called inside. */
struct rn_userns_ids {
    uid_t outer_uid;
    gid_t outer_gid;
    uid_t inner_uid;
    gid_t inner_gid;
};

/* The caller's own effective ids; inside they keep their numbers, or are root. Call before unsharing. */
struct rn_userns_ids rn_userns_own_ids(bool as_root);

/*
 * For a process that has just unshared CLONE_NEWUSER: denies setgroups (a group may take rights away) and maps one uid
 * and one gid. Without privilege outside only own ids can be mapped. Errors: host.
 */
RN_MUST_USE int rn_userns_write_maps(const struct rn_userns_ids *ids);

/* Whether the present user namespace has @id as uid and gid, and lets a process leave its groups: then root may become it. */
bool rn_userns_has_id(unsigned id);

/* Writes @text to the existing file @path in one write, as /proc wants it. Errors: host. */
RN_MUST_USE int rn_write_file(const char *path, const char *text);
/* Reads at most @cap - 1 bytes of @path and ends them with NUL. Returns the length. Errors: host. */
RN_MUST_USE int rn_read_file(const char *path, char *buf, size_t cap);
