#include "tcp/fastopen.h"
#include "tcp/flight.h"
#include "tcp/life.h"

#include <runnel/err.h>

/*
 * Fast Open's client: what each server gave us (cookie, MSS), and how it went. Where data in a SYN got lost, or the option
 * kept the SYN from arriving, the next connections do without for a while, longer each time (RFC 7413 §4.1.3, §7.1).
 */

#define CACHE_MAX 1024u /* servers remembered; the one not used for longest goes */
/* Left free for options that middleboxes add to SYNs; as Linux does it. */
#define SPARE_BYTES   RN_TCP_OPTS_MAX_BYTES
#define LOST_IN_A_ROW 2u
#define REST_NS       (60 * RN_NS_PER_S) /* doubled for each loss in a row */
#define REST_DOUBLED  6u

enum form { FORM_UNKNOWN, FORM_TRY_EXPERIMENTAL, FORM_STANDARD_ONLY };

struct server {
    struct rn_hash_node hash;
    struct rn_list link; /* cache->by_use: the latest is last */
    struct rn_addr addr;
    uint16_t nic;
    uint16_t mss; /* of its last SYN+ACK; 0 unknown */
    uint8_t cookie_len;
    bool is_exp;  /* the cookie came in the experimental form */
    uint8_t form; /* enum form: how to ask for a cookie */
    uint8_t n_lost;
    int64_t rests_until_ns;
    uint8_t cookie[RN_TCP_COOKIE_MAX_BYTES];
};

struct rn_tcp_fastopen_cache {
    struct rn_hash table;
    struct rn_list by_use;
};

/* --- the memory -------------------------------------------------------------------------------------------------------- */

static uint32_t hash_of(const struct rn_tcp *conn)
{
    const struct rn_demux_key *key = &conn->sock.demux.key;

    return (uint32_t)rn_siphash24(&conn->sock.stack->secrets.table, &key->remote,
                                  sizeof(key->remote));
}

static struct server *find(const struct rn_tcp *conn)
{
    const struct rn_demux_key *key = &conn->sock.demux.key;
    struct rn_tcp_fastopen_cache *cache = rn_tcp_stack_of(conn)->fastopen_cache;
    struct rn_hash_node *node = cache != NULL ? rn_hash_first(&cache->table, hash_of(conn)) : NULL;

    for (; node != NULL; node = rn_hash_next(node)) {
        struct server *server = rn_container_of(node, struct server, hash);

        if (rn_addr_eq(server->addr, key->remote) && server->nic == key->nic)
            return server;
    }
    return NULL;
}

static void forget(struct rn_tcp_fastopen_cache *cache, struct server *server)
{
    rn_hash_remove(&cache->table, &server->hash);
    rn_list_remove(&server->link);
    rn_alloc_free(cache->table.alloc, server, sizeof(*server));
}

void rn_tcp_fastopen_forget_all(struct rn_tcp_stack *tcp)
{
    struct rn_tcp_fastopen_cache *cache = tcp->fastopen_cache;
    struct rn_list *node;

    if (cache == NULL)
        return;
    while ((node = rn_list_first(&cache->by_use)) != NULL)
        forget(cache, rn_list_entry(node, struct server, link));
    rn_hash_fini(&cache->table);
    rn_alloc_free(tcp->stack->alloc, cache, sizeof(*cache));
    tcp->fastopen_cache = NULL;
}

static struct rn_tcp_fastopen_cache *need_cache(struct rn_tcp_stack *tcp)
{
    const struct rn_alloc *alloc = tcp->stack->alloc;
    struct rn_tcp_fastopen_cache *cache = tcp->fastopen_cache;

    if (cache != NULL)
        return cache;
    cache = rn_alloc_new(alloc, sizeof(*cache));
    if (cache == NULL)
        return NULL;
    if (rn_hash_init(&cache->table, alloc, 16) < 0) {
        rn_alloc_free(alloc, cache, sizeof(*cache));
        return NULL;
    }
    rn_list_init(&cache->by_use);
    tcp->fastopen_cache = cache;
    return cache;
}

/* What is known of the server of @conn; NULL when out of memory. */
static struct server *need(struct rn_tcp *conn)
{
    struct rn_tcp_fastopen_cache *cache = need_cache(rn_tcp_stack_of(conn));
    struct server *server = find(conn);

    if (cache == NULL || server != NULL)
        return server;
    if (cache->table.n_nodes >= CACHE_MAX)
        forget(cache, rn_list_entry(rn_list_first(&cache->by_use), struct server, link));
    server = rn_alloc_new(cache->table.alloc, sizeof(*server));
    if (server == NULL)
        return NULL;
    server->addr = conn->sock.demux.key.remote;
    server->nic = conn->sock.demux.key.nic;
    rn_hash_insert(&cache->table, &server->hash, hash_of(conn));
    rn_list_push_back(&cache->by_use, &server->link);
    return server;
}

static void used(const struct rn_tcp *conn, struct server *server)
{
    rn_list_remove(&server->link);
    rn_list_push_back(&rn_tcp_stack_of(conn)->fastopen_cache->by_use, &server->link);
}

static void note_loss(const struct rn_tcp *conn, struct server *server)
{
    unsigned doubled;

    server->n_lost = rn_sat_u8((uint64_t)server->n_lost + 1);
    if (server->n_lost < LOST_IN_A_ROW)
        return;
    doubled = rn_min_u32(server->n_lost - LOST_IN_A_ROW, REST_DOUBLED);
    server->rests_until_ns = rn_tcp_now_ns(conn) + (REST_NS << doubled);
    conn->sock.stack->stats.tcp_fastopen_rests++;
}

/* --- before the SYN ---------------------------------------------------------------------------------------------------- */

bool rn_tcp_fastopen_prepare(struct rn_tcp *conn)
{
    struct server *server = find(conn);
    bool may_carry = (conn->flags & RN_TCPF_FO_NO_COOKIE) != 0;

    conn->flags &=
        ~(uint32_t)(RN_TCPF_FASTOPEN | RN_TCPF_FO_OPTION | RN_TCPF_FO_EXP | RN_TCPF_SYN_DATA);
    if (server != NULL && rn_tcp_now_ns(conn) < server->rests_until_ns)
        return false;
    if (!may_carry) {
        conn->flags |= RN_TCPF_FASTOPEN | RN_TCPF_FO_OPTION;
        may_carry = server != NULL && server->cookie_len != 0;
        if (may_carry ? server->is_exp : server != NULL && server->form == FORM_TRY_EXPERIMENTAL)
            conn->flags |= RN_TCPF_FO_EXP;
    }
    if (may_carry)
        conn->flags |= RN_TCPF_SYN_DATA;
    return may_carry;
}

void rn_tcp_fastopen_syn_opts(const struct rn_tcp *conn, struct rn_tcp_opts *ret)
{
    const struct server *server;

    if ((conn->flags & RN_TCPF_FO_OPTION) == 0)
        return;
    ret->has_fastopen = true;
    ret->is_fastopen_exp = (conn->flags & RN_TCPF_FO_EXP) != 0;
    server = find(conn);
    if (server == NULL)
        return;
    ret->cookie_len = server->cookie_len;
    memcpy(ret->cookie, server->cookie, sizeof(ret->cookie));
}

/* What the peer takes by its last SYN+ACK, or as if it were like us. */
static uint32_t mss_for_syn(const struct rn_tcp *conn)
{
    const struct server *server = find(conn);
    uint32_t mss = rn_tcp_opts_our_mss(conn);

    return server != NULL && server->mss != 0 ? rn_min_u32(mss, server->mss) : mss;
}

uint32_t rn_tcp_fastopen_room(struct rn_tcp *conn)
{
    uint32_t mss = mss_for_syn(conn);

    return mss > SPARE_BYTES ? mss - SPARE_BYTES : 0;
}

void rn_tcp_fastopen_go(struct rn_tcp *conn)
{
    conn->flags &= ~(uint32_t)RN_TCPF_FO_DEFERRED;
    (void)rn_tcp_fastopen_prepare(conn); /* the cookie may have gone since connect() */
    rn_tcp_send_syn(conn);
}

uint32_t rn_tcp_fastopen_load(struct rn_tcp *conn)
{
    bool may_carry = (conn->flags & RN_TCPF_SYN_DATA) != 0 && conn->state == RN_TCP_SYN_SENT;
    rn_seq first = rn_seq_add(conn->iss, 1);
    struct rn_tcp_rec *rec;
    uint32_t len;

    conn->flags &= ~(uint32_t)RN_TCPF_SYN_DATA;
    if (!may_carry || conn->flight == NULL || conn->snd.queued == 0)
        return 0;
    conn->snd.mss_peer = rn_sat_u16(mss_for_syn(conn));
    conn->snd.mss = rn_sat_u16(rn_tcp_fastopen_room(conn));
    len = rn_min_u32(conn->snd.queued, conn->snd.mss);
    len = len != 0 ? rn_tcp_queue_span(&conn->flight->queue, first, len) : 0;
    rec = len != 0 ? rn_tcp_rec_append(conn, first, rn_seq_add(first, len)) : NULL;
    if (rec == NULL)
        return 0;
    rec->is_pushed = true;
    rn_tcp_rate_sent(conn, rec);
    rn_tcp_rec_to_flying(conn, rec);
    return len;
}

/* --- after it ----------------------------------------------------------------------------------------------------------- */

static void take_cookie(struct server *server, const struct rn_tcp_opts *opts)
{
    memcpy(server->cookie, opts->cookie, sizeof(server->cookie));
    server->cookie_len = opts->cookie_len;
    server->is_exp = opts->is_fastopen_exp;
    server->n_lost = 0;
}

/* No cookie came. Some servers know only the experimental form: it is tried once, and if that is of no use either the
 * standard one from then on. */
static void choose_form(const struct rn_tcp *conn, struct server *server)
{
    server->form = (conn->flags & RN_TCPF_FO_EXP) != 0 ? FORM_STANDARD_ONLY : FORM_TRY_EXPERIMENTAL;
}

static void remember(struct rn_tcp *conn, const struct rn_tcp_seg *seg, bool is_data_acked)
{
    bool has_asked = (conn->flags & RN_TCPF_FASTOPEN) != 0;
    bool has_cookie = has_asked && seg->opts.has_fastopen && seg->opts.cookie_len != 0;
    struct server *server = need(conn);

    if (server == NULL)
        return;
    used(conn, server);
    if (seg->opts.has_mss)
        server->mss = seg->opts.mss;
    if (has_cookie)
        take_cookie(server, &seg->opts);
    else if (is_data_acked)
        server->n_lost = 0;
    else if (conn->syn_retries != 0)
        note_loss(conn, server); /* only the plain SYN arrived */
    else if (has_asked && server->cookie_len == 0 && server->form == FORM_UNKNOWN)
        choose_form(conn, server);
    else if (has_asked && server->cookie_len == 0)
        server->form = FORM_STANDARD_ONLY;
}

void rn_tcp_fastopen_on_syn_ack(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    struct rn_stats *stats = &conn->sock.stack->stats;
    uint32_t sent = conn->flight != NULL && conn->flight->n_recs != 0
                        ? (uint32_t)rn_seq_diff(conn->snd.nxt, conn->iss) - 1
                        : 0;
    bool is_acked = sent != 0 && rn_seq_eq(seg->ack, conn->snd.nxt);

    if (sent == 0 && (conn->flags & RN_TCPF_FASTOPEN) == 0)
        return;
    remember(conn, seg, is_acked);
    conn->flags &= ~(uint32_t)RN_TCPF_FASTOPEN;
    if (is_acked) {
        conn->flags |= RN_TCPF_SYN_DATA_ACKED;
        stats->tcp_fastopen_active++;
    } else if (sent != 0) {
        stats->tcp_fastopen_active_fails++;
    }
}

void rn_tcp_fastopen_resend(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_rec *rec = flight != NULL ? rn_tcp_rec_first(flight) : NULL;

    if (rec == NULL)
        return;
    for (; rec != NULL; rec = rn_tcp_rec_next(flight, rec)) {
        if (rec->state == RN_TCP_REC_FLYING)
            rn_tcp_rec_to_lost(conn, rec);
    }
    rn_tcp_recovery_on_resize(conn);
}

void rn_tcp_fastopen_timed_out(struct rn_tcp *conn)
{
    uint32_t is_active = conn->flags & (RN_TCPF_SYN_DATA_ACKED | RN_TCPF_PASSIVE);
    struct server *server;

    if (is_active != RN_TCPF_SYN_DATA_ACKED || conn->count.data_segs_in != 0 ||
        conn->snd.queued == 0 || conn->rtt.backoff != LOST_IN_A_ROW)
        return;
    server = find(conn);
    if (server == NULL)
        return;
    server->n_lost = (uint8_t)rn_max_u32(server->n_lost, LOST_IN_A_ROW - 1);
    note_loss(conn, server);
}

/* --- the application ---------------------------------------------------------------------------------------------------- */

void rn_tcp_forget_fastopen(struct rn_stack *stack)
{
    rn_tcp_fastopen_forget_all(rn_stack_l4_state(stack, RN_PROTO_TCP));
}
