#pragma once
/*
 * Messages of vhost-user (docs/interop/vhost-user.rst of QEMU): a header of three words, up to a few hundred bytes, and perhaps
 * descriptors, over a UNIX stream socket. Both ends are on one machine: numbers are in its byte order.
 */
#include "base/view.h"
#include "io/vhost_mem.h"

enum rn_vhost_request {
    RN_VHOST_GET_FEATURES = 1,
    RN_VHOST_SET_FEATURES = 2,
    RN_VHOST_SET_OWNER = 3,
    RN_VHOST_RESET_OWNER = 4,
    RN_VHOST_SET_MEM_TABLE = 5,
    RN_VHOST_SET_VRING_NUM = 8,
    RN_VHOST_SET_VRING_ADDR = 9,
    RN_VHOST_SET_VRING_BASE = 10,
    RN_VHOST_GET_VRING_BASE = 11,
    RN_VHOST_SET_VRING_KICK = 12,
    RN_VHOST_SET_VRING_CALL = 13,
    RN_VHOST_SET_VRING_ERR = 14,
    RN_VHOST_GET_PROTOCOL_FEATURES = 15,
    RN_VHOST_SET_PROTOCOL_FEATURES = 16,
    RN_VHOST_SET_VRING_ENABLE = 18,
};

enum rn_vhost_msg_flag {
    RN_VHOST_VERSION = 1, /* the lowest two bits */
    RN_VHOST_VERSION_MASK = 3,
    RN_VHOST_IS_REPLY = 1 << 2,
    RN_VHOST_NEEDS_REPLY = 1 << 3, /* with RN_VHOST_P_REPLY_ACK */
};

#define RN_VHOST_MSG_HDR_BYTES 12u
/* The largest we read: a memory table of eight regions and some slack for front-ends that send unions whole. */
#define RN_VHOST_MSG_PAYLOAD_MAX 512u
#define RN_VHOST_MSG_FDS_MAX     RN_VHOST_REGIONS_MAX

/* In the u64 of SET_VRING_KICK, _CALL and _ERR. */
#define RN_VHOST_VRING_INDEX_MASK 0xffu
#define RN_VHOST_VRING_NO_FD      0x100u

struct rn_vhost_msg {
    uint32_t request;
    uint32_t flags;
    uint32_t size; /* bytes of the payload */
    uint8_t payload[RN_VHOST_MSG_PAYLOAD_MAX];
    int fds[RN_VHOST_MSG_FDS_MAX]; /* -1: taken by somebody, who closes it */
    unsigned n_fds;
};

/* What has come of the message under way. Zero is nothing; .msg.fds may be owned. */
struct rn_vhost_inbox {
    struct rn_vhost_msg msg;
    uint8_t hdr[RN_VHOST_MSG_HDR_BYTES];
    size_t have; /* bytes, header included */
};

enum rn_vhost_receipt {
    RN_VHOST_GOT,    /* .msg is whole; rn_vhost_inbox_next() when done with it */
    RN_VHOST_LATER,  /* the rest has yet to come */
    RN_VHOST_GONE,   /* the front-end has closed */
    RN_VHOST_BROKEN, /* what came is no message */
};

/* Never waits. */
enum rn_vhost_receipt rn_vhost_receive(struct rn_vhost_inbox *inbox, int fd);
/* Closes what nobody took of the message's descriptors, and begins the next one. */
void rn_vhost_inbox_next(struct rn_vhost_inbox *inbox);
/* false: the front-end takes no answers. Never waits. */
bool rn_vhost_reply(int fd, uint32_t request, const void *payload, uint32_t size);
