#pragma once
/* A NIC: its device, its addresses, its output queue, its neighbours, its taps and counters. */
#include "base/hash.h"
#include "base/pktq.h"
#include "base/turn.h"
#include "dev/device.h"
#include "stack/proto.h"
#include <runnel/nic.h>

struct rn_neigh;
struct rn_neigh_cache;
struct rn_pump;

enum rn_addr_state { RN_ADDR_TENTATIVE, RN_ADDR_PREFERRED, RN_ADDR_DEPRECATED };

struct rn_nic_addr {
    struct rn_list link;      /* nic->addrs */
    struct rn_hash_node hash; /* stack-wide table of own addresses is kept by nic_addr.c */
    struct rn_nic *nic;
    struct rn_addr addr;
    struct rn_addr broadcast; /* of its prefix; none where there is none */
    uint8_t bits;
    uint8_t state; /* enum rn_addr_state */
    uint8_t dad_probes;
    struct rn_timer dad; /* duplicate address detection, while TENTATIVE */
};

/* What the network layer found out about a pair of addresses on a NIC, so that a conversation asks once. */
struct rn_nic_verdict {
    struct rn_addr src;
    struct rn_addr dst;
    uint32_t gen; /* true while it is the stack's route_gen */
    uint8_t fate; /* enum rn_ip_fate */
    uint8_t drop; /* enum rn_drop, of RN_IP_DROP */
    bool is_looped;
};

#define RN_NIC_VERDICTS 16u

/* Sees packets in and out of a NIC (packet sockets, sniffers). Const data only; runs inline. */
struct rn_tap {
    struct rn_list link;
    void (*fn)(struct rn_tap *tap, const struct rn_pkt *pkt, bool is_out);
};

struct rn_nic {
    struct rn_list link; /* stack->nics */
    struct rn_stack *stack;
    struct rn_device *device; /* borrows */
    char name[RN_DEVICE_NAME_BYTES];
    uint16_t id;
    bool is_up;
    uint32_t flags; /* enum rn_nic_flag */
    struct rn_list addrs;
    struct rn_pktq out; /* waits for rn_nic_take_output */
    uint32_t out_max_pkts;
    uint64_t n_queued;      /* packets ever put into out: rn_nic_ticket() */
    struct rn_list waiting; /* tasks of senders that wait for their packets to be taken */
    struct rn_list taps;
    struct rn_neigh_cache *neigh[RN_L3_COUNT]; /* owned; NULL on RN_LINK_IP */
    /* Told when out becomes non-empty: the pump or driver schedules itself. */
    void (*on_output)(struct rn_nic *nic);
    struct rn_pump *pump; /* NULL: fed by hand */
    bool owns_pump;       /* rn_nic_start made it */
    struct rn_nic_verdict verdicts[RN_NIC_VERDICTS];
    uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes;
};

/* Consumes every packet of @in. Packets start at the link header of the device's link type. */
void rn_nic_input(struct rn_nic *nic, struct rn_pktq *in);
/* Consumes @pkt, which starts at the header that pkt->ethertype names: to its network protocol. */
void rn_nic_deliver(struct rn_nic *nic, struct rn_pkt *pkt);
/* Consumes @pkt, which starts at the network header: resolves @next_hop through @neigh (NULL on RN_LINK_IP), taps, link
 * header, queue. Only datagram and forwarded packets are dropped when the queue is full; TCP limits itself. */
void rn_nic_output(struct rn_nic *nic, struct rn_neigh *neigh, struct rn_pkt *pkt);
/* Moves at most @max packets into @out, in order. Returns how many. */
size_t rn_nic_take_output(struct rn_nic *nic, struct rn_pktq *out, size_t max);
/* As rn_nic_output, to a link address that is known: groups, ARP, ND, resolved neighbours. RN_LINK_ETHERNET only. */
void rn_nic_output_to(struct rn_nic *nic, struct rn_mac to, struct rn_pkt *pkt);
/* Room in the output queue, for senders with back-pressure. */
bool rn_nic_has_room(const struct rn_nic *nic);
/* Senders that limit themselves remember the ticket after handing a packet down; once it is taken, the packet has left
 * for the device. The queue is a FIFO, so no packet needs to point back to its sender. */
static inline uint64_t rn_nic_ticket(const struct rn_nic *nic)
{
    return nic->n_queued;
}
static inline bool rn_nic_is_taken(const struct rn_nic *nic, uint64_t ticket)
{
    return nic->n_queued - nic->out.n_pkts >= ticket;
}
/* Parks @task, which must not be scheduled, until rn_nic_take_output() takes packets next (or the NIC goes): then all
 * that wait are scheduled in the OUTPUT phase, in the order in which they came. rn_turn_unschedule() leaves. */
void rn_nic_wait(struct rn_nic *nic, struct rn_task *task);
bool rn_nic_is_loopback(const struct rn_nic *nic);
/* The protocol's neighbour cache; NULL where links have no addresses. */
static inline struct rn_neigh_cache *rn_nic_neigh(const struct rn_nic *nic, struct rn_addr addr)
{
    return nic->neigh[rn_addr_is_v4(addr) ? RN_L3_V4 : RN_L3_V6];
}
/* --- nic_addr.c ---------------------------------------------------------------------------------------------- */
/* Who has @addr, tentative or not: on NIC @nic_id, or on any if 0. Loopback NICs have all of 127/8. NULL: nobody. */
struct rn_nic_addr *rn_stack_find_addr(const struct rn_stack *stack, struct rn_addr addr,
                                       uint16_t nic_id);
/* The same, of addresses that may be used. */
struct rn_nic_addr *rn_stack_find_usable(const struct rn_stack *stack, struct rn_addr addr,
                                         uint16_t nic_id);
/* Is @addr the broadcast address of a prefix on @nic, or 255.255.255.255? */
bool rn_nic_is_broadcast(const struct rn_nic *nic, struct rn_addr addr);
/* Frees every address; on-link routes go too. */
void rn_nic_drop_addrs(struct rn_nic *nic);
/* pick.c: the source address for @dst leaving by @nic (RFC 6724 §5). Errors: BAD_LOCAL_ADDR. */
RN_MUST_USE int rn_pick_source(const struct rn_nic *nic, struct rn_addr dst, struct rn_addr *ret);
/* The address record if @addr is assigned to @nic; NULL if not. */
struct rn_nic_addr *rn_nic_find_addr(const struct rn_nic *nic, struct rn_addr addr);
void rn_nic_add_tap(struct rn_nic *nic, struct rn_tap *tap);
void rn_nic_remove_tap(struct rn_tap *tap);
void rn_nic_call_taps(struct rn_nic *nic, const struct rn_pkt *pkt, bool is_out);
