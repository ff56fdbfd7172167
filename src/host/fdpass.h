#pragma once
/*
 * Descriptors and small messages over UNIX SOCK_SEQPACKET sockets. One call is one message; what arrives is closed on exec.
 */
#include <runnel/attr.h>
#include <stddef.h>
#include <stdint.h>

#define RN_FDPASS_MAX 64u

struct rn_fds {
    int fd[RN_FDPASS_MAX];
    unsigned n;
};

/* Two connected SOCK_SEQPACKET ends, closed on exec. Errors: host. */
RN_MUST_USE int rn_fdpass_pair(int ret[2]);
/* Sends @len > 0 bytes and the descriptors of @fds (borrows; NULL: none). Never raises SIGPIPE. Errors: WOULD_BLOCK, host. */
RN_MUST_USE int rn_fdpass_send(int sock, const void *bytes, size_t len, const struct rn_fds *fds);
/*
 * Receives one message of at most @cap bytes; returns its length, 0 when the peer has gone. Descriptors that came are
 * owned by the caller through @ret_fds; a message with more than RN_FDPASS_MAX, or longer than @cap, is refused whole.
 * @ret_fds may be NULL: then descriptors that came are closed. Errors: WOULD_BLOCK, MSG_TOO_LONG, host.
 */
RN_MUST_USE int rn_fdpass_recv(int sock, void *bytes, size_t cap, struct rn_fds *ret_fds);
/* Closes all. */
void rn_fds_close(struct rn_fds *fds);
