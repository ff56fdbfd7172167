#pragma once
/* What the attack tests share: a host with every protocol, whose wire the test holds. */
#include "host.h"

static inline void attack_init(struct rn_test_host *h)
{
    rn_test_host_init(h, &(struct rn_test_host_opts){ .protos = &rn_protos_all });
}

/* Feeds one packet that must die for @why without an answer. */
static inline void attack_must_drop(struct rn_test_host *h, const void *bytes, size_t len,
                                    enum rn_drop why)
{
    uint64_t before = rn_test_host_drops(h, why);

    rn_test_host_feed(h, bytes, len);
    if (rn_test_host_drops(h, why) != before + 1)
        fail_msg("not dropped for %s", rn_drop_name(why));
    assert_true(rn_pktq_is_empty(&h->out));
}

/* The ICMPv4 type and code of the next packet out; the packet is gone. */
static inline void attack_expect_icmp(struct rn_test_host *h, uint8_t type, uint8_t code)
{
    uint8_t bytes[2048];
    size_t len = rn_test_host_next(h, bytes, sizeof(bytes));
    size_t at = bytes[0] >> 4 == 4 ? 20 : 40;

    assert_true(len >= at + 8);
    assert_int_equal(bytes[at], type);
    assert_int_equal(bytes[at + 1], code);
}
