#include "tcp/fastopen.h"

#include "tcp/life.h"

#include <runnel/err.h>

/*
 * Fast Open's server. A cookie is a keyed hash of both addresses, so that nothing is kept for it, and proves that its
 * owner once received a packet there. Stolen ones are why early connections are few and counted (RFC 7413 §5.1).
 */

#define COOKIE_BYTES 8u
/* RFC 7413 §4.1.2: cookies expire. One holds between one and two periods. */
#define PERIOD_S     (12 * 3600)
#define RESET_HOLD_S 60

struct rn_tcp_fastopen {
    uint32_t n_refs;
    uint32_t limit;
    uint32_t n_pending;
    /* Who answers our SYN+ACK by RST did not send the SYN: a flood with a stolen cookie. Its slot is not free at once
     * (RFC 7413 §5.1), but after one to two minutes. */
    uint32_t n_reset[2];
    uint32_t reset_minute;
    struct rn_tcp_fastopen_keys keys;
};

/* --- keys ------------------------------------------------------------------------------------------------------------ */

static struct rn_hash_key key_of_period(const struct rn_stack *stack, uint64_t period)
{
    uint64_t words[2] = { period, 0 };
    struct rn_hash_key key;

    key.k0 = rn_siphash24(&stack->secrets.fastopen, words, sizeof(words));
    words[1] = 1;
    key.k1 = rn_siphash24(&stack->secrets.fastopen, words, sizeof(words));
    return key;
}

/* Those of the listener, else the stack's, else what its secret gives for now and for the period before. */
static struct rn_tcp_fastopen_keys keys_for(const struct rn_tcp *listener)
{
    const struct rn_tcp_fastopen *shared = rn_tcp_cold_get(listener)->fastopen;
    const struct rn_stack *stack = listener->sock.stack;
    uint64_t period = (uint64_t)rn_stack_now_ns(stack) / (PERIOD_S * RN_NS_PER_S);
    struct rn_tcp_fastopen_keys keys = { .n = 2 };

    if (shared != NULL && shared->keys.n != 0)
        return shared->keys;
    if (rn_tcp_stack_of(listener)->fastopen_keys.n != 0)
        return rn_tcp_stack_of(listener)->fastopen_keys;
    keys.key[0] = key_of_period(stack, period);
    keys.key[1] = key_of_period(stack, period - 1);
    return keys;
}

/* As Linux makes them, so that machines which share a key share their clients. */
static void make_cookie(uint8_t ret[COOKIE_BYTES], const struct rn_hash_key *key,
                        struct rn_addr client, struct rn_addr server)
{
    uint8_t bytes[32];
    size_t len = sizeof(bytes);
    uint64_t hash;

    if (rn_addr_is_v4(client)) {
        rn_put_be32(bytes, rn_addr_to_v4(client));
        rn_put_be32(bytes + 4, rn_addr_to_v4(server));
        len = 8;
    } else {
        memcpy(bytes, client.b, 16);
        memcpy(bytes + 16, server.b, 16);
    }
    hash = rn_siphash24(key, bytes, len);
    rn_put_le32(ret, (uint32_t)hash);
    rn_put_le32(ret + 4, (uint32_t)(hash >> 32));
}

/* Takes as long for a good guess as for a bad one. */
static bool same_cookie(const uint8_t *a, const uint8_t *b)
{
    unsigned differ = 0;

    for (unsigned i = 0; i < COOKIE_BYTES; i++)
        differ |= (unsigned)(a[i] ^ b[i]);
    return differ == 0;
}

/* Which key made the cookie of @syn; -1: none of ours. */
static int check_cookie(const struct rn_tcp *listener, const struct rn_tcp_syn *syn)
{
    struct rn_tcp_fastopen_keys keys = keys_for(listener);
    uint8_t cookie[COOKIE_BYTES];

    if (syn->opts.cookie_len != COOKIE_BYTES)
        return -1;
    for (int i = 0; i < keys.n; i++) {
        make_cookie(cookie, &keys.key[i], syn->remote.addr, syn->local.addr);
        if (same_cookie(cookie, syn->opts.cookie))
            return i;
    }
    return -1;
}

static void put_cookie(const struct rn_tcp *listener, struct rn_addr client, struct rn_addr server,
                       struct rn_tcp_opts *ret)
{
    struct rn_tcp_fastopen_keys keys = keys_for(listener);

    make_cookie(ret->cookie, &keys.key[0], client, server);
    ret->cookie_len = COOKIE_BYTES;
    ret->has_fastopen = true;
}

void rn_tcp_fastopen_syn_ack_opts(const struct rn_tcp *conn, struct rn_tcp_opts *ret)
{
    const struct rn_demux_key *key = &conn->sock.demux.key;

    if ((conn->flags & RN_TCPF_FO_OPTION) == 0 || conn->listen == NULL)
        return;
    put_cookie(conn->listen->listener, key->remote, key->local, ret);
    ret->is_fastopen_exp = (conn->flags & RN_TCPF_FO_EXP) != 0;
}

void rn_tcp_fastopen_offer(const struct rn_tcp *listener, const struct rn_tcp_syn *syn,
                           struct rn_tcp_opts *ret)
{
    if (!syn->opts.has_fastopen || rn_tcp_fastopen_limit(listener) == 0 ||
        check_cookie(listener, syn) == 0) /* has it already: there was no room */
        return;
    put_cookie(listener, syn->remote.addr, syn->local.addr, ret);
    ret->is_fastopen_exp = syn->opts.is_fastopen_exp;
}

void rn_tcp_fastopen_renew(struct rn_tcp *conn, const struct rn_tcp_syn *syn)
{
    conn->flags |= RN_TCPF_FO_OPTION;
    if (syn->opts.is_fastopen_exp)
        conn->flags |= RN_TCPF_FO_EXP;
}

/* --- limits ---------------------------------------------------------------------------------------------------------- */

static struct rn_tcp_fastopen *shared_of(struct rn_tcp *listener)
{
    struct rn_tcp_cold *cold = rn_tcp_cold_of(listener);

    if (cold == NULL || cold->fastopen != NULL)
        return cold != NULL ? cold->fastopen : NULL;
    cold->fastopen = rn_alloc_new(listener->sock.stack->alloc, sizeof(*cold->fastopen));
    if (cold->fastopen != NULL)
        cold->fastopen->n_refs = 1;
    return cold->fastopen;
}

int rn_tcp_fastopen_set_limit(struct rn_tcp *listener, uint32_t limit)
{
    struct rn_tcp_fastopen *shared = shared_of(listener);

    if (shared == NULL)
        return RN_E_NOMEM;
    shared->limit = limit;
    return RN_OK;
}

uint32_t rn_tcp_fastopen_limit(const struct rn_tcp *listener)
{
    const struct rn_tcp_fastopen *shared = rn_tcp_cold_get(listener)->fastopen;

    return shared != NULL && !rn_tcp_is_early(listener) ? shared->limit : 0;
}

static void let_resets_age(struct rn_tcp_fastopen *shared, const struct rn_tcp *conn)
{
    uint32_t minute = (uint32_t)(rn_tcp_now_ns(conn) / (RESET_HOLD_S * RN_NS_PER_S));

    if (minute == shared->reset_minute)
        return;
    shared->n_reset[1] = minute == shared->reset_minute + 1 ? shared->n_reset[0] : 0;
    shared->n_reset[0] = 0;
    shared->reset_minute = minute;
}

static bool is_room_for_one(const struct rn_tcp *listener, struct rn_tcp_fastopen *shared)
{
    let_resets_age(shared, listener);
    if (shared->n_pending + shared->n_reset[0] + shared->n_reset[1] < shared->limit)
        return true;
    listener->sock.stack->stats.tcp_fastopen_overflows++;
    return false;
}

static void unref(struct rn_tcp *conn)
{
    struct rn_tcp_fastopen *shared = conn->cold->fastopen;

    conn->cold->fastopen = NULL;
    if (--shared->n_refs == 0)
        rn_alloc_free(conn->sock.stack->alloc, shared, sizeof(*shared));
}

void rn_tcp_fastopen_settled(struct rn_tcp *conn, int err)
{
    struct rn_tcp_fastopen *shared = rn_tcp_cold_get(conn)->fastopen;

    if ((conn->flags & RN_TCPF_FASTOPEN) == 0 || shared == NULL)
        return;
    conn->flags &= ~(uint32_t)RN_TCPF_FASTOPEN;
    shared->n_pending--;
    if (err == RN_E_CONN_RESET) {
        let_resets_age(shared, conn);
        shared->n_reset[0]++;
    }
    unref(conn);
}

void rn_tcp_fastopen_release(struct rn_tcp *conn)
{
    rn_tcp_fastopen_settled(conn, RN_OK);
    if (rn_tcp_cold_get(conn)->fastopen != NULL)
        unref(conn);
}

/* --- a SYN ------------------------------------------------------------------------------------------------------------ */

static int refuse(const struct rn_tcp *listener, const struct rn_tcp_syn *syn)
{
    struct rn_stats *stats = &listener->sock.stack->stats;

    if (syn->opts.cookie_len == 0)
        stats->tcp_fastopen_cookie_reqs++;
    else
        stats->tcp_fastopen_passive_fails++;
    return -1;
}

int rn_tcp_fastopen_check(const struct rn_tcp *listener, const struct rn_tcp_syn *syn,
                          const struct rn_tcp_seg *seg)
{
    struct rn_tcp_fastopen *shared = rn_tcp_cold_get(listener)->fastopen;
    bool needs_none = (listener->flags & RN_TCPF_FO_NO_COOKIE) != 0 && seg->data_len > 0;
    int key = 0;

    if (shared == NULL || shared->limit == 0)
        return -1;
    if (!needs_none) {
        if (!syn->opts.has_fastopen)
            return -1;
        key = check_cookie(listener, syn);
        if (key < 0)
            return refuse(listener, syn);
    }
    return is_room_for_one(listener, shared) ? key : -1;
}

void rn_tcp_fastopen_open(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    /* There is one: the listener has it for the same pointer, and it was inherited. */
    struct rn_tcp_cold *cold = conn->cold;

    cold->fastopen = rn_tcp_cold_get(conn->listen->listener)->fastopen;
    cold->fastopen->n_refs++;
    cold->fastopen->n_pending++;
    conn->flags |= RN_TCPF_FASTOPEN;
    conn->sock.stack->stats.tcp_fastopen_passive++;
    /* What the SYN+ACK will grant: the data lies in it. */
    (void)rn_tcp_rcv_announce(conn, RN_TCP_SYN);
    rn_tcp_snd_established(conn);
    if (seg->data_len == 0)
        return;
    conn->flags |= RN_TCPF_SYN_DATA_ACKED;
    seg->seq = rn_seq_add(seg->seq, 1);
    rn_tcp_rcv_data(conn, seg);
}

/* --- the application's keys -------------------------------------------------------------------------------------------- */

static int take_keys(struct rn_tcp_fastopen_keys *ret, const uint8_t (*keys)[16], unsigned n)
{
    if (n > RN_ARRAY_LEN(ret->key))
        return RN_E_BAD_OPTION;
    for (unsigned i = 0; i < n; i++)
        ret->key[i] = rn_hash_key_of(keys[i]);
    ret->n = (uint8_t)n;
    return RN_OK;
}

int rn_tcp_set_fastopen_keys(struct rn_stack *stack, const uint8_t (*keys)[16], unsigned n)
{
    struct rn_tcp_stack *tcp = rn_stack_l4_state(stack, RN_PROTO_TCP);

    return take_keys(&tcp->fastopen_keys, keys, n);
}

int rn_tcp_set_listener_fastopen_keys(struct rn_sock *sock, const uint8_t (*keys)[16], unsigned n)
{
    struct rn_tcp *listener = rn_tcp_of(sock);
    struct rn_tcp_fastopen *shared;

    if (sock->ops != &rn_tcp_sock_ops ||
        (listener->state != RN_TCP_CLOSED && listener->state != RN_TCP_LISTEN))
        return RN_E_BAD_STATE;
    shared = shared_of(listener);
    return shared != NULL ? take_keys(&shared->keys, keys, n) : RN_E_NOMEM;
}
