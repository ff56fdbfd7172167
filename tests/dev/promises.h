#pragma once
/*
 * What every device promises (dev/device.h), proven once for all of them: each is driven through its two operations alone, with a
 * far end that plays the wire. A new device is one function and one row of a table of subjects.
 */
#include "dev/chan.h"
#include "dev/split.h"
#include "packets.h"
#include <runnel/err.h>

#define MTU        1400u
#define QUEUE_PKTS 16u

struct rig {
    struct rn_test_turn t;
    struct rn_turn *turn;     /* on which the devices live: that of .t, or a loop's */
    struct rn_device *dev;    /* under test */
    struct rn_device *far;    /* the wire; NULL: .dev is a channel; may be .dev itself (loopback) */
    struct rn_device *behind; /* outlives the face under test; else NULL */
    struct rn_split *split;
    struct rn_drop_account lost;
    unsigned n_closed;
    void (*forget)(void); /* last, when set: what the device leaves in the system */
    bool is_native;       /* the kernel stands between: what was written arrives a little later */
};

struct subject {
    const char *name;
    /* false: this machine has no such thing; it said why. */
    bool (*open)(struct rig *r);
};

/* Runs every promise over each of @n subjects, as tests. Returns how many failed. */
int prove_all(const struct subject *subjects, size_t n);
/* The same of their blocking faces (blocking.c). */
int prove_blocking(const struct subject *subjects, size_t n);
/* For tests of one device's own: */
void rig_init(struct rig *r);
void rig_watch(struct rig *r);
void rig_fini(struct rig *r);
/* All that subject->open made. */
void rig_free_devices(struct rig *r);
/* An IP packet of @len payload bytes that knows its @number, behind a link header where the device has one. */
struct rn_pkt *rig_packet(struct rig *r, uint32_t number, size_t len);
uint32_t rig_number(const struct rig *r, const struct rn_pkt *pkt);
/* Reads at most @max from @dev, waiting a moment for what the kernel has under way. */
int rig_read(struct rig *r, struct rn_device *dev, struct rn_pktq *q, unsigned max);
