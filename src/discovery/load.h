#pragma once
/*
 * From dump frames to the picture. Pure: bytes in, model out; what a frame leaves for later phases (descriptors, rules,
 * files) is kept beside the map as facts, in the map's arena. Every byte may be hostile: what does not parse is skipped
 * and counted, never trusted.
 */
#include "discovery/dump.h"
#include "discovery/model.h"

struct rn_nlmsg;
struct rn_redact;

struct rn_fact_sock { /* this process holds that socket */
    uint64_t ino;
    uint32_t pid;
};

struct rn_fact_tun {
    uint32_t pid;
    uint64_t dev, ino;
    const char *ifname;
};

/* Bytes for a later phase. */
struct rn_fact_blob {
    struct rn_map_netns *netns;
    uint32_t pid;
    uint16_t table; /* enum rn_dump_table or rn_dump_file or rn_dump_ask */
    uint8_t kind;   /* engine kind, or family of XTABLES */
    bool is_truncated;
    uint32_t uid;
    const char *path;
    struct rn_view bytes;
};

struct rn_fact_nsid { /* in .netns, @nsid means the namespace @seq */
    struct rn_map_netns *netns;
    int32_t nsid;
    uint32_t seq;
};

struct rn_load {
    struct rn_map *map; /* borrows */
    struct rn_map_netns **by_seq;
    size_t n_seq;
    uint32_t *seqs_by_ino; /* open addressing by identity; seq + 1 */
    size_t n_slots;
    struct rn_map_netns *current; /* of the last VISIT; NULL before */
    uint64_t init_dev, init_ino, self_dev, self_ino;
    struct rn_fact_sock *socks;
    size_t n_socks;
    struct rn_fact_tun *tuns;
    size_t n_tuns;
    struct rn_fact_blob *nft; /* NETLINK frames of RN_TABLE_NFT_* and XTABLES */
    size_t n_nft;
    struct rn_fact_blob *files;
    size_t n_files;
    struct rn_fact_blob *engines;
    size_t n_engines;
    struct rn_fact_nsid *nsids;
    size_t n_nsids;
    uint32_t n_malformed;
    bool is_ended;            /* END was seen */
    struct rn_redact *redact; /* is handed every frame (borrows); NULL: nobody */
};

void rn_load_init(struct rn_load *l, struct rn_map *map);
/* Takes one frame; unknown ones are skipped. */
void rn_load_frame(struct rn_load *l, const struct rn_dump_frame *frame);
/* Reads a whole stream. Errors: as rn_dump_next(), LIMIT when the arena is full. */
RN_MUST_USE int rn_load_stream(struct rn_load *l, struct rn_dump_reader *r);

/* ---- by subject; each takes the payload of one netlink message ---- */
void rn_load_link(struct rn_load *l, struct rn_view payload);
void rn_load_addr(struct rn_load *l, struct rn_view payload);
void rn_load_route(struct rn_load *l, struct rn_view payload);
void rn_load_rule(struct rn_load *l, struct rn_view payload);
void rn_load_neigh(struct rn_load *l, struct rn_view payload);
void rn_load_nexthop(struct rn_load *l, struct rn_view payload);
void rn_load_nsid(struct rn_load *l, struct rn_view payload);
void rn_load_nsid_of(struct rn_load *l, struct rn_view payload);
void rn_load_inet(struct rn_load *l, enum rn_map_proto proto, struct rn_view payload);
void rn_load_unix(struct rn_load *l, struct rn_view payload);
void rn_load_packet(struct rn_load *l, struct rn_view payload);
void rn_load_procnet(struct rn_load *l, enum rn_dump_table table, struct rn_view text);
void rn_load_wireguard(struct rn_load *l, struct rn_view payload);
void rn_load_driver(struct rn_load *l, struct rn_view payload);
void rn_load_process(struct rn_load *l, struct rn_view payload);
void rn_load_cmdline(struct rn_load *l, struct rn_map_process *p, struct rn_view text);
void rn_load_status(struct rn_load *l, struct rn_map_process *p, struct rn_view text);

/* A text of the stream, kept. */
const char *rn_load_str(struct rn_load *l, struct rn_view v);
