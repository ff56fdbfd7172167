#pragma once
/* Network namespaces as descriptors: find, name, enter, come back. */
#include <runnel/attr.h>
#include <stdint.h>
#include <sys/types.h>

/* What tells two namespaces apart, whatever path led there. */
struct rn_ns_id {
    uint64_t dev;
    uint64_t ino;
};

/* Each returns an owned descriptor. Errors: host (EACCES, EPERM: not ours to look at; ESRCH, ENOENT: gone). */
RN_MUST_USE int rn_netns_open_self(void);
/* A bind mount such as /run/netns/NAME. Errors: also BAD_ADDR if @path is no network namespace. */
RN_MUST_USE int rn_netns_open_path(const char *path);

RN_MUST_USE int rn_ns_identify(int ns_fd, struct rn_ns_id *ret);
/* Moves the calling thread into the network namespace @ns_fd (borrows). Errors: host. */
RN_MUST_USE int rn_netns_enter(int ns_fd);
