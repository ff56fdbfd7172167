#include "tcp/ecn.h"
#include "tcp/fastopen.h"
#include "tcp/flight.h"
#include "tcp/life.h"
#include "tcp/reorder.h"

#include <runnel/err.h>

/* TCP's socket options: three tables by where the value lives, and the few whose setting is an act. */

#define BUF_MIN_BYTES 2048
#define BUF_MAX_BYTES (1 << 30)
#define MSS_MIN       88 /* RFC 9293 MUST-15 with all options in use, as runnel/sock.h says */
#define MSS_MAX       65495
#define FOREVER_NS    INT64_MAX

struct flag_opt {
    enum rn_sock_opt opt;
    uint32_t flag;
    void (*changed)(struct rn_tcp *conn); /* NULL: takes effect by itself */
};

/* Switched on, it sends what a cork holds, once, as on Linux. */
static void nodelay_changed(struct rn_tcp *conn)
{
    if (conn->flight != NULL && (conn->flags & RN_TCPF_NODELAY) != 0)
        conn->flight->is_cork_over = true;
    rn_tcp_want_output(conn);
}

/* Off means delayed ACKs from now on, those at the start of a stream included. */
static void quickack_changed(struct rn_tcp *conn)
{
    if ((conn->flags & RN_TCPF_QUICKACK) == 0)
        conn->rtt.quick_acks = 0;
}

static const struct flag_opt flag_opts[] = {
    { RN_SO_KEEPALIVE, RN_TCPF_KEEPALIVE, rn_tcp_timers_keepalive_changed },
    { RN_SO_WANT_DRAINED, RN_TCPF_WANT_DRAINED, NULL },
    { RN_TCP_NODELAY, RN_TCPF_NODELAY, nodelay_changed },
    { RN_TCP_CORK, RN_TCPF_CORK, rn_tcp_want_output },
    { RN_TCP_QUICKACK, RN_TCPF_QUICKACK, quickack_changed },
    { RN_TCP_TIMESTAMPS, RN_TCPF_TS, NULL },
    { RN_TCP_SACK, RN_TCPF_SACK, NULL },
    { RN_TCP_WSCALE, RN_TCPF_WSCALE, NULL },
    { RN_TCP_FASTOPEN_CONNECT, RN_TCPF_FO_CONNECT, NULL },
    { RN_TCP_FASTOPEN_NO_COOKIE, RN_TCPF_FO_NO_COOKIE, NULL },
};

/* What only a SYN can say. */
static bool is_of_handshake(enum rn_sock_opt opt)
{
    return opt == RN_TCP_TIMESTAMPS || opt == RN_TCP_SACK || opt == RN_TCP_WSCALE ||
           opt == RN_TCP_FASTOPEN_CONNECT || opt == RN_TCP_FASTOPEN_NO_COOKIE;
}

static bool is_handshake_begun(const struct rn_tcp *conn)
{
    return conn->state != RN_TCP_LISTEN && conn->sock.demux.key.remote_port != 0;
}

struct cold_opt {
    enum rn_sock_opt opt;
    size_t at;
    size_t size;
    int64_t min;
    int64_t max;
    void (*changed)(struct rn_tcp *conn);
};

#define COLD(member) offsetof(struct rn_tcp_cold, member), sizeof(((struct rn_tcp_cold *)0)->member)

static const struct cold_opt cold_opts[] = {
    { RN_SO_LINGER_NS, COLD(linger_ns), -1, FOREVER_NS, NULL },
    { RN_SO_RCVLOWAT, COLD(rcvlowat), 1, BUF_MAX_BYTES, NULL },
    { RN_TCP_KEEPIDLE_NS, COLD(keep_idle_ns), 1, FOREVER_NS, rn_tcp_timers_keepalive_changed },
    { RN_TCP_KEEPINTVL_NS, COLD(keep_intvl_ns), 1, FOREVER_NS, rn_tcp_timers_keepalive_changed },
    { RN_TCP_KEEPCNT, COLD(keep_cnt), 1, 127, NULL },
    { RN_TCP_USER_TIMEOUT_NS, COLD(user_timeout_ns), 0, FOREVER_NS, NULL },
    { RN_TCP_LINGER2_NS, COLD(linger2_ns), 0, FOREVER_NS, NULL },
    { RN_TCP_SYNCNT, COLD(syn_cnt), 1, 127, NULL },
    { RN_TCP_DEFER_ACCEPT_NS, COLD(defer_ns), 0, FOREVER_NS, NULL },
    { RN_TCP_WINDOW_CLAMP, COLD(window_clamp), 0, BUF_MAX_BYTES, NULL },
    { RN_TCP_RCVBUF_MOST, COLD(rcvbuf_most), BUF_MIN_BYTES, BUF_MAX_BYTES, NULL },
    { RN_TCP_BURST_SEGS, COLD(burst_segs), 1, 64, NULL },
    { RN_TCP_NOTSENT_LOWAT, COLD(notsent_lowat), 0, UINT32_MAX, NULL },
    { RN_TCP_TIMEWAIT_NS, COLD(timewait_ns), 0, FOREVER_NS, NULL },
};

static const struct flag_opt *find_flag(enum rn_sock_opt opt)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(flag_opts); i++) {
        if (flag_opts[i].opt == opt)
            return &flag_opts[i];
    }
    return NULL;
}

static const struct cold_opt *find_cold(enum rn_sock_opt opt)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(cold_opts); i++) {
        if (cold_opts[i].opt == opt)
            return &cold_opts[i];
    }
    return NULL;
}

static int set_flag(struct rn_tcp *conn, const struct flag_opt *opt, int64_t value)
{
    if (value != 0 && value != 1)
        return RN_E_BAD_OPTION;
    if (is_of_handshake(opt->opt) && is_handshake_begun(conn))
        return RN_E_BAD_STATE;
    if (value == 1)
        conn->flags |= opt->flag;
    else
        conn->flags &= ~opt->flag;
    if (opt->changed != NULL && conn->state != RN_TCP_CLOSED && conn->state != RN_TCP_LISTEN)
        opt->changed(conn);
    return RN_OK;
}

/* The machine's byte order does not matter: each width has its own copy. */
static void store(void *at, size_t size, int64_t value)
{
    uint32_t u32 = (uint32_t)value;
    uint8_t u8 = (uint8_t)value;

    memcpy(at, size == 8 ? (const void *)&value : size == 4 ? (const void *)&u32 : &u8, size);
}

static int64_t load(const void *at, size_t size)
{
    int64_t i64 = 0;
    uint32_t u32 = 0;
    uint8_t u8 = 0;

    memcpy(size == 8 ? (void *)&i64 : size == 4 ? (void *)&u32 : &u8, at, size);
    return i64 + u32 + u8;
}

static int set_cold(struct rn_tcp *conn, const struct cold_opt *opt, int64_t value)
{
    struct rn_tcp_cold *cold;

    if (value < opt->min || value > opt->max)
        return RN_E_BAD_OPTION;
    cold = rn_tcp_cold_of(conn);
    if (cold == NULL)
        return RN_E_NOMEM;
    store((char *)cold + opt->at, opt->size, value);
    if (opt->changed != NULL && conn->state != RN_TCP_CLOSED && conn->state != RN_TCP_LISTEN)
        opt->changed(conn);
    return RN_OK;
}

static int set_buffer(struct rn_tcp *conn, enum rn_sock_opt opt, int64_t value)
{
    uint32_t bytes;

    if (value < 0)
        return RN_E_BAD_OPTION;
    bytes = (uint32_t)rn_min_i64(rn_max_i64(value, BUF_MIN_BYTES), BUF_MAX_BYTES);
    if (opt == RN_SO_SNDBUF) {
        conn->flags |= RN_TCPF_SNDBUF_FIXED;
        conn->snd.buf_max = bytes;
    } else {
        conn->flags |= RN_TCPF_RCVBUF_FIXED;
        rn_tcp_rcv_set_buf(conn, bytes);
    }
    return RN_OK;
}

static int set_mss(struct rn_tcp *conn, int64_t value)
{
    if (value != 0 && (value < MSS_MIN || value > MSS_MAX))
        return RN_E_BAD_OPTION;
    conn->snd.mss_user = (uint16_t)value;
    if (conn->state == RN_TCP_ESTABLISHED)
        rn_tcp_mtu_changed(conn);
    return RN_OK;
}

/* In bits, so that zero is the default: grant it, do not ask. */
static const uint8_t ecn_bits[] = {
    [RN_TCP_ECN_OFF] = RN_TCP_ECN_REFUSED,
    [RN_TCP_ECN_ASK] = RN_TCP_ECN_WANTED,
    [RN_TCP_ECN_GRANT] = 0,
    [RN_TCP_ECN_ACCURATE_ASK] =
        RN_TCP_ECN_WANTED | RN_TCP_ECN_ACCURATE_IN | RN_TCP_ECN_ACCURATE_OUT,
    [RN_TCP_ECN_ACCURATE_GRANT_ASK] = RN_TCP_ECN_WANTED | RN_TCP_ECN_ACCURATE_IN,
    [RN_TCP_ECN_ACCURATE_GRANT] = RN_TCP_ECN_ACCURATE_IN,
};

static int set_ecn(struct rn_tcp *conn, int64_t value)
{
    if (value < RN_TCP_ECN_OFF || value > RN_TCP_ECN_ACCURATE_GRANT)
        return RN_E_BAD_OPTION;
    /* What was asked for by a SYN decides how its answer is read. */
    if (conn->state == RN_TCP_SYN_SENT || conn->state == RN_TCP_SYN_RCVD)
        return RN_E_BAD_STATE;
    conn->cc.ecn = (uint8_t)((conn->cc.ecn & ~RN_TCP_ECN_CHOICE) | ecn_bits[value]);
    return RN_OK;
}

static int64_t get_ecn(const struct rn_tcp *conn)
{
    int64_t value = RN_TCP_ECN_OFF;

    while (ecn_bits[value] != (conn->cc.ecn & RN_TCP_ECN_CHOICE))
        value++;
    return value;
}

static int set_fastopen(struct rn_tcp *conn, int64_t value)
{
    if (value < 0 || value > RN_TCP_BACKLOG_MAX)
        return RN_E_BAD_OPTION;
    if (is_handshake_begun(conn))
        return RN_E_BAD_STATE;
    return rn_tcp_fastopen_set_limit(conn, (uint32_t)value);
}

static int set_pacing(struct rn_tcp *conn, int64_t value)
{
    struct rn_tcp_cold *cold;

    if (value < -1 || value == 0)
        return RN_E_BAD_OPTION;
    cold = rn_tcp_cold_of(conn);
    if (cold == NULL)
        return RN_E_NOMEM;
    cold->max_pacing_rate = value < 0 ? UINT64_MAX : (uint64_t)value;
    return RN_OK;
}

int rn_tcp_set_opt(struct rn_sock *sock, enum rn_sock_opt opt, int64_t value)
{
    struct rn_tcp *conn = rn_tcp_of(sock);
    const struct flag_opt *flag = find_flag(opt);
    const struct cold_opt *cold = find_cold(opt);

    if (flag != NULL)
        return set_flag(conn, flag, value);
    if (cold != NULL)
        return set_cold(conn, cold, value);
    if (opt == RN_SO_SNDBUF || opt == RN_SO_RCVBUF)
        return set_buffer(conn, opt, value);
    if (opt == RN_TCP_MAXSEG)
        return set_mss(conn, value);
    if (opt == RN_TCP_MAX_PACING_RATE)
        return set_pacing(conn, value);
    if (opt == RN_TCP_ECN)
        return set_ecn(conn, value);
    if (opt == RN_TCP_FASTOPEN)
        return set_fastopen(conn, value);
    return RN_E_NO_PROTO_OPTION;
}

static int get_other(const struct rn_tcp *conn, enum rn_sock_opt opt, int64_t *ret)
{
    uint64_t rate = rn_tcp_cold_get(conn)->max_pacing_rate;

    if (opt == RN_SO_SNDBUF)
        *ret = conn->snd.buf_max;
    else if (opt == RN_SO_RCVBUF)
        *ret = conn->rcv.buf_max;
    else if (opt == RN_SO_INQ)
        *ret = conn->rcv.queued;
    else if (opt == RN_SO_OUTQ)
        *ret = conn->snd.queued;
    else if (opt == RN_TCP_MAXSEG)
        *ret = conn->snd.mss != 0 ? conn->snd.mss : conn->snd.mss_user;
    else if (opt == RN_TCP_ECN)
        *ret = get_ecn(conn);
    else if (opt == RN_TCP_MAX_PACING_RATE)
        *ret = rate > INT64_MAX ? -1 : (int64_t)rate;
    else if (opt == RN_TCP_FASTOPEN)
        *ret = rn_tcp_fastopen_limit(conn);
    else
        return RN_E_NO_PROTO_OPTION;
    return RN_OK;
}

int rn_tcp_get_opt(const struct rn_sock *sock, enum rn_sock_opt opt, int64_t *ret)
{
    const struct rn_tcp *conn = rn_tcp_of_const(sock);
    const struct flag_opt *flag = find_flag(opt);
    const struct cold_opt *cold = find_cold(opt);

    if (flag != NULL) {
        *ret = (conn->flags & flag->flag) != 0;
        return RN_OK;
    }
    if (cold != NULL) {
        *ret = load((const char *)rn_tcp_cold_get(conn) + cold->at, cold->size);
        return RN_OK;
    }
    return get_other(conn, opt, ret);
}
