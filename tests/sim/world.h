#pragma once
/*
 * A world: two hosts, a path between them, a hundred connections, one seed. Everything in it follows from the seed: the
 * weather of the path, what befalls it, what the applications do. It is lived through under virtual time and judged.
 */
#include "box.h"
#include "dev/impair.h"
#include "stack/nic.h"
#include "stack/pump.h"
#include "stack/stack.h"
#include "tcp/conn.h"

enum { SIM_SIDES = 2 };

/* What the client's and the server's application do. */
enum sim_manner {
    SIM_POLITE,      /* both write all, shut down, read to the end, close */
    SIM_FIRE_FORGET, /* the client writes and closes */
    SIM_ABORTING,    /* the client aborts somewhere */
    SIM_RUDE_SERVER, /* the server closes with data unread */
    SIM_SLOW,        /* both read little, now and then */
    SIM_PAUSING,     /* the client writes, waits, writes */
    SIM_MANNERS
};

struct sim_world;
struct sim_conn;

/* One end of a connection: writes its stream, checks the other's. */
struct sim_end {
    struct sim_conn *conn;
    struct rn_sock *sock;
    struct rn_timer timer; /* slow reader, pausing writer */
    uint64_t to_write;
    uint64_t written;
    uint64_t read;
    uint64_t hold_at; /* pausing: write no further for now */
    uint32_t write_bytes;
    uint32_t salt;
    int error;
    bool is_eof;
    bool is_shut;
    bool is_over; /* its socket is gone, whatever the reason */
};

struct sim_conn {
    struct sim_world *world;
    struct rn_timer start;
    struct sim_end client;
    struct sim_end server;
    unsigned side; /* the client's */
    uint16_t port; /* the client's */
    enum sim_manner manner;
    bool is_v6;
    bool is_excused; /* a host of it rebooted, memory failed: only the prefix rule holds */
    bool is_fast;    /* its SYN may carry data: RFC 7413 §2.1, that may be heard twice */
    bool is_stained; /* and one of an earlier connection by this port may be under way still */
    uint64_t cut_at; /* aborting, rude: after so many bytes */
};

struct sim_host {
    struct sim_host *peer;
    struct rn_stack *stack;
    struct rn_nic *nic;
    struct rn_pump pump;
    struct sim_box *box;
    struct rn_addr v4;
    struct rn_addr v6;
    struct rn_sock *listener;
    struct sim_conn *by_port[2][65536]; /* its clients, of IPv4 and of IPv6 */
};

struct sim_world {
    uint64_t seed;
    bool is_shown;
    struct rn_rand rand;
    struct rn_alloc alloc;
    size_t n_live;
    size_t bytes_live;
    size_t bytes_peak;
    uint32_t fail_ppm; /* allocations that fail now */
    struct rn_rand fail_rand;
    struct rn_pool *pool;
    struct rn_turn turn;
    struct sim_monitor *monitor;
    struct sim_host hosts[SIM_SIDES];
    struct sim_conn *conns;
    unsigned n_conns;
    unsigned n_open; /* ends whose socket exists, or whose client has not started */
    bool is_gentle;  /* nothing happens that could end a connection */
    int64_t reboot_ns;
    unsigned reboot_side;
    struct rn_timer alarm; /* only so that a turn happens then */
    int64_t starved_until_ns;
    char wrong[240]; /* first violation; "" none */
};

struct sim_verdict {
    uint64_t hash; /* of all packets and their times */
    uint64_t n_pkts;
    uint64_t n_bytes; /* read by applications */
    unsigned n_whole; /* connections whose streams arrived whole, both ways */
    unsigned n_hostile;
    int64_t virtual_ns;
    char wrong[240];
};

struct sim_life {
    uint64_t seed;
    unsigned n_conns;
    bool is_shown; /* print every packet */
};

/* Lives through one world. */
void sim_world_live(const struct sim_life *life, struct sim_verdict *ret);
/* The first violation is kept. */
void sim_wrong(struct sim_world *w, const struct sim_conn *conn, const char *what);

/* app.c */
void sim_conn_plan(struct sim_world *w, struct sim_conn *conn, int64_t span_ns);
void sim_on_accept(struct rn_sock *listener, unsigned events, void *host);
/* The end's socket is given up; @is_abort: by RST. */
void sim_end_leave(struct sim_end *end, bool is_abort);
void sim_conn_judge(struct sim_world *w, struct sim_conn *conn);

static inline uint32_t sim_below(struct sim_world *w, uint32_t n)
{
    return (uint32_t)rn_rand_below(&w->rand, n);
}
/* True @percent of 100 times. */
static inline bool sim_chance(struct sim_world *w, uint32_t percent)
{
    return sim_below(w, 100) < percent;
}
