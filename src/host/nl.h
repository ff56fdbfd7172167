#pragma once
/*
 * Netlink over libmnl: one socket, requests with acknowledgement, dumps. Knows framing, sequence numbers, the
 * kernel's error text and interrupted dumps; knows no family. A socket belongs to the network namespace it was
 * opened in, whatever the thread does later. Not thread-safe: one socket, one thread.
 */
#include "base/view.h"

#include <runnel/attr.h>
#include <runnel/err.h>

#include <linux/netlink.h>

struct mnl_socket;

#define RN_NL_MSG_BYTES 4096u
#define RN_NL_BUF_BYTES                                                                            \
    65536u /* the kernel fills at most 32 KiB per read, more only for a single huge object */
#define RN_NL_WHY_BYTES  160u
#define RN_NL_DUMP_TRIES 3u
#define RN_NL_DEPTH_MAX  8u

/* Zero is a closed socket. */
struct rn_nl {
    struct mnl_socket *sock;
    uint8_t *buf; /* RN_NL_BUF_BYTES */
    uint32_t seq;
    char why[RN_NL_WHY_BYTES]; /* the kernel's own words on the last refusal; "" if it had none */
};

/* A request under construction. Overflow latches and is reported by the talk. */
struct rn_nl_msg {
    union {
        struct nlmsghdr head;
        uint8_t bytes[RN_NL_MSG_BYTES];
    };
    bool overflow;
};

/* Receives a dump. @restart forgets all that came so far: the kernel's table changed under the dump. */
struct rn_nl_sink {
    int (*message)(const struct nlmsghdr *head, void *arg); /* < 0 ends the dump with that error */
    void (*restart)(void *arg);                             /* may be NULL: duplicates do no harm */
    void *arg;
};

/* Receives whole datagrams as read, headers and NLMSG_DONE included; see rn_nl_dump_raw(). */
struct rn_nl_raw_sink {
    int (*datagram)(struct rn_view bytes, void *arg);
    void (*restart)(void *arg);
    void *arg;
};

/* Opens a socket of @protocol (NETLINK_ROUTE ...) in the thread's network namespace. Errors: host. */
RN_MUST_USE int rn_nl_open(struct rn_nl *nl, int protocol);
/* The kernel's number of the namespace that @nl belongs to, never used again; 0 before Linux 5.14. */
uint64_t rn_nl_netns_cookie(const struct rn_nl *nl);
/* Closes; a closed or zero @nl is fine. */
void rn_nl_close(struct rn_nl *nl);

/* Starts a message with an all-zero family header of @extra_bytes, which is returned for filling in. */
void *rn_nl_msg_begin(struct rn_nl_msg *msg, unsigned type, unsigned flags, size_t extra_bytes);
void rn_nl_put(struct rn_nl_msg *msg, unsigned type, const void *data, size_t len);
void rn_nl_put_u8(struct rn_nl_msg *msg, unsigned type, uint8_t v);
void rn_nl_put_u16(struct rn_nl_msg *msg, unsigned type, uint16_t v);
void rn_nl_put_u32(struct rn_nl_msg *msg, unsigned type, uint32_t v);
/* With the closing NUL. */
void rn_nl_put_str(struct rn_nl_msg *msg, unsigned type, const char *s);
/* 4 or 16 bytes, by the family of @a. */
void rn_nl_put_addr(struct rn_nl_msg *msg, unsigned type, struct rn_addr a);
/* An attribute that holds attributes; NULL on overflow, which rn_nl_nest_end() accepts. */
struct nlattr *rn_nl_nest_begin(struct rn_nl_msg *msg, unsigned type);
void rn_nl_nest_end(struct rn_nl_msg *msg, struct nlattr *nest);
/* A raw header inside a nest (VETH_INFO_PEER carries an ifinfomsg before its attributes). */
void *rn_nl_put_room(struct rn_nl_msg *msg, size_t len);

/* Sends and waits for the acknowledgement. Errors: the kernel's as host errno, nl->why says more. */
RN_MUST_USE int rn_nl_talk(struct rn_nl *nl, struct rn_nl_msg *msg);
/* As rn_nl_talk(), and hands every reply message to @reply. */
RN_MUST_USE int rn_nl_ask(struct rn_nl *nl, struct rn_nl_msg *msg,
                          int (*reply)(const struct nlmsghdr *head, void *arg), void *arg);
/* Asks for one thing, without an acknowledgement: the first answer ends it. */
RN_MUST_USE int rn_nl_ask_one(struct rn_nl *nl, struct rn_nl_msg *msg,
                              int (*reply)(const struct nlmsghdr *head, void *arg), void *arg);
/* Dumps; retries up to RN_NL_DUMP_TRIES times when interrupted, then keeps the last and returns EINTR. */
RN_MUST_USE int rn_nl_dump(struct rn_nl *nl, struct rn_nl_msg *msg, const struct rn_nl_sink *sink);
RN_MUST_USE int rn_nl_dump_raw(struct rn_nl *nl, struct rn_nl_msg *msg,
                               const struct rn_nl_raw_sink *sink);
