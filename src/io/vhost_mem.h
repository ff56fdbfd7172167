#pragma once
/*
 * The memory of a vhost-user front-end as we see it: up to eight regions, each mapped from a descriptor it sent. It names places in two
 * ways: descriptors hold addresses of its guest, the messages that set up a ring hold addresses of its own process. Either kind
 * is only ever followed through here.
 *
 * Memory that its owner can cut short kills whoever touches what was cut off (SIGBUS). So a region must be a memfd sealed
 * against shrinking, of ordinary pages, unless the user takes that risk; that the file is large enough is checked in any case.
 */
#include <runnel/attr.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* VHOST_MEMORY_BASELINE_NREGIONS: what every back-end has room for. */
#define RN_VHOST_REGIONS_MAX 8u
/* Of a region's addresses, its size and its place in the file. */
#define RN_VHOST_REGION_ALIGN 4096u

/* What a front-end says of a region. */
struct rn_vhost_claim {
    uint64_t guest_at;
    uint64_t bytes;
    uint64_t user_at;
    uint64_t file_at;
};

struct rn_vhost_region {
    struct rn_vhost_claim claim;
    uint8_t *at; /* where its first byte is with us */
    void *map;
    size_t map_bytes;
};

/* Zero is no memory. */
struct rn_vhost_mem {
    struct rn_vhost_region regions[RN_VHOST_REGIONS_MAX];
    unsigned n_regions;
};

enum rn_vhost_trust {
    RN_VHOST_SEALED_ONLY,
    RN_VHOST_UNSEALED_TOO, /* whoever made the memory may kill us */
};

/* Maps region @claim of @fd (borrows) beside those there are. NULL, or what is wrong with it: then nothing has changed. */
const char *rn_vhost_mem_add(struct rn_vhost_mem *mem, const struct rn_vhost_claim *claim, int fd,
                             enum rn_vhost_trust trust);
/* Unmaps all. */
void rn_vhost_mem_clear(struct rn_vhost_mem *mem);

/* Where the guest's @at is, and in @ret_bytes (>= 1) how much of the region is left from there; NULL: in no region. */
uint8_t *rn_vhost_mem_guest(const struct rn_vhost_mem *mem, uint64_t at, uint64_t *ret_bytes);
/* Where @bytes at @at of the front-end's process are; NULL unless they are all in one region. */
uint8_t *rn_vhost_mem_user(const struct rn_vhost_mem *mem, uint64_t at, uint64_t bytes);
