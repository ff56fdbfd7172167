/* Which namespace a peer's NSID means. Asking pair by pair is quadratic; instead a namespace of our own is made the
 * hub that numbers every other, and each is then asked once how its NSIDs read there. Nothing of the host changes. */
#include "discovery/read_netns.h"

#include <errno.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <unistd.h>

/* The number of @seq in the hub is @seq itself. */
static bool number(struct rn_visit *hub, uint32_t seq, int ns_fd)
{
    struct rn_nl_msg msg;

    rn_nl_msg_begin(&msg, RTM_NEWNSID, 0, sizeof(struct rtgenmsg));
    rn_nl_put_u32(&msg, NETNSA_NSID, seq);
    rn_nl_put_u32(&msg, NETNSA_FD, (uint32_t)ns_fd);
    return rn_nl_talk(&hub->route, &msg) == RN_OK;
}

static void number_all(struct rn_visit *hub)
{
    struct rn_broker *b = hub->b;

    for (uint32_t i = 0; i < b->n_netns; i++) {
        int fd = rn_found_open(b, &b->netns[i]);

        if (fd < 0)
            continue;
        if (!number(hub, i, fd))
            rn_progress_beat(b);
        close(fd);
        rn_progress_beat(b);
    }
}

static void tell_all(struct rn_visit *hub)
{
    struct rn_broker *b = hub->b;
    struct rn_nl_msg msg;

    for (uint32_t i = 0; i < b->n_netns; i++) {
        size_t start = b->out.len;

        rn_dump_begin(&b->out, RN_DUMP_VISIT, 1);
        rn_dump_u32(&b->out, i);
        rn_dump_end(&b->out);
        rn_nl_msg_begin(&msg, RTM_GETNSID, 0, sizeof(struct rtgenmsg));
        rn_nl_put_u32(&msg, NETNSA_TARGET_NSID, i);
        if (rn_visit_dump(hub, &(struct rn_visit_ask){
                                   .nl = &hub->route, .msg = &msg, .table = RN_TABLE_NSID }) < 0)
            rn_dump_rewind(&b->out, start); /* it has gone, or was never numbered */
    }
}

static void item(struct rn_broker *b, size_t i)
{
    struct rn_visit hub = { .b = b };
    int err;

    (void)i;
    if (unshare(CLONE_NEWNET) < 0)
        return; /* the missing capability has been told already */
    err = rn_nl_open(&hub.route, NETLINK_ROUTE);
    if (err < 0)
        return;
    number_all(&hub);
    tell_all(&hub);
    rn_nl_close(&hub.route);
}

static void on_lost(struct rn_broker *b, size_t i, bool is_stuck)
{
    (void)i;
    (void)is_stuck;
    rn_dump_note(&b->out,
                 &(struct rn_dump_note){ .seq = RN_DUMP_NO_SEQ,
                                         .what = "nsids",
                                         .id = "hub",
                                         .why = "peers in other namespaces could not be matched" });
}

void rn_read_nsids(struct rn_broker *b)
{
    struct rn_supervised job = {
        .item = item, .on_lost = on_lost, .end = 1, .stuck_ms = RN_BROKER_STUCK_MS
    };

    if (b->n_netns > 1)
        rn_supervise(b, &job);
}
