/* Linux's socket options and struct tcp_info, in terms of enum rn_sock_opt and struct rn_tcp_info. */
#include "face.h"
#include "info.h"
#include "script.h"

#include "base/turn.h"
#include <runnel/err.h>
#include <runnel/tcp.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define INFINITE_SSTHRESH 0x7fffffff

enum shape {
    SHAPE_INT,
    SHAPE_BOOL,    /* any number but 0 is 1 */
    SHAPE_SECONDS, /* int seconds; ns inside */
    SHAPE_MS,      /* unsigned int milliseconds */
    SHAPE_DOUBLED, /* reads back twice what was set, as Linux's buffer sizes do */
    SHAPE_UNSIGNED,
};

struct opt_row {
    int level;
    int name;
    enum rn_sock_opt opt;
    enum shape shape;
};

static const struct opt_row rows[] = {
    { SOL_SOCKET, SO_REUSEADDR, RN_SO_REUSEADDR, SHAPE_BOOL },
    { SOL_SOCKET, SO_REUSEPORT, RN_SO_REUSEPORT, SHAPE_BOOL },
    { SOL_SOCKET, SO_KEEPALIVE, RN_SO_KEEPALIVE, SHAPE_BOOL },
    { SOL_SOCKET, SO_SNDBUF, RN_SO_SNDBUF, SHAPE_DOUBLED },
    { SOL_SOCKET, SO_RCVBUF, RN_SO_RCVBUF, SHAPE_DOUBLED },
    { SOL_SOCKET, SO_RCVLOWAT, RN_SO_RCVLOWAT, SHAPE_INT },
    { SOL_SOCKET, SO_MAX_PACING_RATE, RN_TCP_MAX_PACING_RATE, SHAPE_UNSIGNED },
    { IPPROTO_TCP, TCP_NODELAY, RN_TCP_NODELAY, SHAPE_BOOL },
    { IPPROTO_TCP, TCP_CORK, RN_TCP_CORK, SHAPE_BOOL },
    { IPPROTO_TCP, TCP_QUICKACK, RN_TCP_QUICKACK, SHAPE_BOOL },
    { IPPROTO_TCP, TCP_MAXSEG, RN_TCP_MAXSEG, SHAPE_INT },
    { IPPROTO_TCP, TCP_KEEPIDLE, RN_TCP_KEEPIDLE_NS, SHAPE_SECONDS },
    { IPPROTO_TCP, TCP_KEEPINTVL, RN_TCP_KEEPINTVL_NS, SHAPE_SECONDS },
    { IPPROTO_TCP, TCP_KEEPCNT, RN_TCP_KEEPCNT, SHAPE_INT },
    { IPPROTO_TCP, TCP_USER_TIMEOUT, RN_TCP_USER_TIMEOUT_NS, SHAPE_MS },
    { IPPROTO_TCP, TCP_LINGER2, RN_TCP_LINGER2_NS, SHAPE_SECONDS },
    { IPPROTO_TCP, TCP_SYNCNT, RN_TCP_SYNCNT, SHAPE_INT },
    { IPPROTO_TCP, TCP_DEFER_ACCEPT, RN_TCP_DEFER_ACCEPT_NS, SHAPE_SECONDS },
    { IPPROTO_TCP, TCP_WINDOW_CLAMP, RN_TCP_WINDOW_CLAMP, SHAPE_INT },
    { IPPROTO_TCP, TCP_NOTSENT_LOWAT, RN_TCP_NOTSENT_LOWAT, SHAPE_UNSIGNED },
    { IPPROTO_TCP, TCP_FASTOPEN, RN_TCP_FASTOPEN, SHAPE_INT },
    { IPPROTO_TCP, TCP_FASTOPEN_CONNECT, RN_TCP_FASTOPEN_CONNECT, SHAPE_BOOL },
    { IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, RN_TCP_FASTOPEN_NO_COOKIE, SHAPE_BOOL },
    { IPPROTO_TCP, FACE_TCP_ECN, RN_TCP_ECN, SHAPE_INT },
    { IPPROTO_TCP, FACE_TCP_TIMESTAMPS, RN_TCP_TIMESTAMPS, SHAPE_BOOL },
    { IPPROTO_TCP, FACE_TCP_SACK, RN_TCP_SACK, SHAPE_BOOL },
    { IPPROTO_TCP, FACE_TCP_WSCALE, RN_TCP_WSCALE, SHAPE_BOOL },
    { IPPROTO_TCP, FACE_TCP_BURST_SEGS, RN_TCP_BURST_SEGS, SHAPE_INT },
    { IPPROTO_TCP, FACE_TCP_RCVBUF_MOST, RN_TCP_RCVBUF_MOST, SHAPE_INT },
    { IPPROTO_IP, IP_TOS, RN_IP_TOS, SHAPE_INT },
    { IPPROTO_IP, IP_TTL, RN_IP_TTL, SHAPE_INT },
    { IPPROTO_IP, IP_MTU_DISCOVER, RN_IP_MTU_DISCOVER, SHAPE_INT },
    { IPPROTO_IPV6, IPV6_V6ONLY, RN_IPV6_V6ONLY, SHAPE_BOOL },
    { IPPROTO_IPV6, IPV6_TCLASS, RN_IP_TOS, SHAPE_INT },
    { IPPROTO_IPV6, IPV6_UNICAST_HOPS, RN_IP_TTL, SHAPE_INT },
};

static const struct opt_row *find_row(int level, int name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].level == level && rows[i].name == name)
            return &rows[i];
    }
    return NULL;
}

static int64_t to_ours(enum shape shape, int value)
{
    switch (shape) {
    case SHAPE_BOOL:
        return value != 0;
    case SHAPE_SECONDS:
        return value * RN_NS_PER_S;
    case SHAPE_MS:
        return value * RN_NS_PER_MS;
    case SHAPE_UNSIGNED:
        return (unsigned)value;
    case SHAPE_INT:
    case SHAPE_DOUBLED:
        break;
    }
    return value;
}

static int to_linux(enum shape shape, int64_t value)
{
    switch (shape) {
    case SHAPE_SECONDS:
        return (int)(value / RN_NS_PER_S);
    case SHAPE_MS:
        return (int)(value / RN_NS_PER_MS);
    case SHAPE_DOUBLED:
        return (int)(2 * value);
    case SHAPE_UNSIGNED:
        return (int)(uint32_t)value;
    case SHAPE_INT:
    case SHAPE_BOOL:
        break;
    }
    return (int)value;
}

static int errno_of(int err)
{
    return err < 0 ? -rn_err_to_errno(err) : 0;
}

/* --- the ones with a structure ----------------------------------------------------------------------------------- */

static int set_linger(struct face_fd *f, const void *value, socklen_t len)
{
    struct linger linger;

    if (len < sizeof(linger))
        return -EINVAL;
    memcpy(&linger, value, sizeof(linger));
    return errno_of(rn_sock_set_opt(f->sock, RN_SO_LINGER_NS,
                                    linger.l_onoff != 0 ? linger.l_linger * RN_NS_PER_S : -1));
}

static int set_timeout(int64_t *ret_ns, const void *value, socklen_t len)
{
    struct timeval tv;

    if (len < sizeof(tv))
        return -EINVAL;
    memcpy(&tv, value, sizeof(tv));
    *ret_ns = tv.tv_sec * RN_NS_PER_S + tv.tv_usec * RN_NS_PER_US;
    return 0;
}

static int set_congestion(struct face_fd *f, const void *value, socklen_t len)
{
    char name[16] = "";

    memcpy(name, value, len < sizeof(name) ? len : sizeof(name) - 1);
    return errno_of(rn_tcp_set_congestion(f->sock, name));
}

/* Options of IP may be a single byte. */
static bool read_number(int *ret, int level, const void *value, socklen_t len)
{
    uint8_t byte;

    if (len >= sizeof(*ret)) {
        memcpy(ret, value, sizeof(*ret));
        return true;
    }
    if (level != IPPROTO_IP || len == 0)
        return false;
    memcpy(&byte, value, 1);
    *ret = byte;
    return true;
}

/* One key, or two; a listener's own. */
static int set_fastopen_key(struct face_fd *f, const void *value, socklen_t len)
{
    uint8_t keys[2][16];

    if (len != sizeof(keys[0]) && len != sizeof(keys))
        return -EINVAL;
    memcpy(keys, value, len);
    return errno_of(rn_tcp_set_listener_fastopen_keys(f->sock, keys, len / sizeof(keys[0])));
}

int face_setsockopt(struct face *face, int fd, int level, int name, const void *value,
                    socklen_t len)
{
    struct face_fd *f = face_fd(face, fd);
    const struct opt_row *row = find_row(level, name);
    int number;

    if (f == NULL)
        return -EBADF;
    if (f->sock == NULL)
        return -ENOTSOCK;
    if (value == NULL)
        return -EFAULT;
    if (level == SOL_SOCKET && name == SO_LINGER)
        return set_linger(f, value, len);
    if (level == SOL_SOCKET && name == SO_RCVTIMEO)
        return set_timeout(&f->rcvtimeo_ns, value, len);
    if (level == SOL_SOCKET && name == SO_SNDTIMEO)
        return set_timeout(&f->sndtimeo_ns, value, len);
    if (level == IPPROTO_TCP && name == TCP_CONGESTION)
        return set_congestion(f, value, len);
    if (level == IPPROTO_TCP && name == TCP_FASTOPEN_KEY)
        return set_fastopen_key(f, value, len);
    if (row == NULL)
        return -ENOPROTOOPT;
    if (!read_number(&number, level, value, len))
        return -EINVAL;
    if (row->opt == RN_TCP_NOTSENT_LOWAT)
        f->notsent_lowat = number;
    if (row->opt == RN_TCP_FASTOPEN_CONNECT && f->is_fastopen_off)
        return -EOPNOTSUPP;
    return errno_of(rn_sock_set_opt(f->sock, row->opt, to_ours(row->shape, number)));
}

/* --- struct tcp_info ---------------------------------------------------------------------------------------------- */

static uint32_t us_of(int64_t ns)
{
    return ns > 0 ? (uint32_t)(ns / RN_NS_PER_US) : 0;
}

static uint32_t ms_of(int64_t ns)
{
    return ns > 0 ? (uint32_t)(ns / RN_NS_PER_MS) : 0;
}

static uint8_t info_options(const struct rn_tcp_info *from)
{
    unsigned options = 0;

    options |= from->has_timestamps ? TCPI_OPT_TIMESTAMPS : 0;
    options |= from->has_sack ? TCPI_OPT_SACK : 0;
    options |= from->has_wscale ? TCPI_OPT_WSCALE : 0;
    options |= from->has_ecn ? TCPI_OPT_ECN : 0;
    options |= from->has_syn_data ? TCPI_OPT_SYN_DATA : 0;
    return (uint8_t)options;
}

static void fill_state(struct tcp_info *to, const struct rn_tcp_info *from)
{
    to->tcpi_state = (uint8_t)from->state;
    to->tcpi_ca_state = (uint8_t)from->ca_state;
    to->tcpi_retransmits = from->backoff;
    to->tcpi_probes = from->probes;
    to->tcpi_backoff = from->backoff;
    to->tcpi_options = info_options(from);
    to->tcpi_snd_wscale = from->snd_wscale & 0xfu;
    to->tcpi_rcv_wscale = from->rcv_wscale & 0xfu;
    to->tcpi_delivery_rate_app_limited = from->delivery_rate_app_limited;
    to->tcpi_snd_mss = from->snd_mss;
    to->tcpi_rcv_mss = from->rcv_mss;
    to->tcpi_advmss = from->advmss;
    to->tcpi_pmtu = from->pmtu;
    to->tcpi_rcv_space = from->rcv_space;
    to->tcpi_snd_wnd = from->snd_wnd;
    to->tcpi_reordering = from->reordering_pkts;
    to->tcpi_reord_seen = from->reord_seen;
    to->tcpi_notsent_bytes = from->notsent;
}

/* Linux counts its windows in segments. */
static void fill_windows(struct tcp_info *to, const struct rn_tcp_info *from)
{
    uint32_t mss = from->snd_mss != 0 ? from->snd_mss : 1;

    to->tcpi_snd_cwnd = from->cwnd / mss;
    to->tcpi_snd_ssthresh =
        from->ssthresh >= INFINITE_SSTHRESH ? INFINITE_SSTHRESH : from->ssthresh / mss;
    to->tcpi_unacked = from->unacked_pkts;
    to->tcpi_sacked = from->sacked_pkts;
    to->tcpi_lost = from->lost_pkts;
    to->tcpi_retrans = from->retrans_pkts;
    to->tcpi_total_retrans = from->total_retrans_pkts;
}

static void fill_times(struct tcp_info *to, const struct rn_tcp_info *from)
{
    to->tcpi_rto = us_of(from->rto_ns);
    to->tcpi_rtt = us_of(from->srtt_ns);
    to->tcpi_rttvar = us_of(from->rttvar_ns);
    to->tcpi_min_rtt = us_of(from->min_rtt_ns);
    to->tcpi_rcv_rtt = us_of(from->rcv_rtt_ns);
    to->tcpi_last_data_sent = ms_of(from->last_data_sent_ns);
    to->tcpi_last_data_recv = ms_of(from->last_data_recv_ns);
    to->tcpi_busy_time = (uint64_t)from->busy_ns / RN_NS_PER_US;
    to->tcpi_rwnd_limited = (uint64_t)from->rwnd_limited_ns / RN_NS_PER_US;
    to->tcpi_sndbuf_limited = (uint64_t)from->sndbuf_limited_ns / RN_NS_PER_US;
    to->tcpi_last_ack_recv = ms_of(from->last_recv_ns);
}

static void fill_counts(struct tcp_info *to, const struct rn_tcp_info *from)
{
    to->tcpi_bytes_acked = from->bytes_acked;
    to->tcpi_bytes_received = from->bytes_received;
    to->tcpi_segs_out = from->segs_out;
    to->tcpi_segs_in = from->segs_in;
    to->tcpi_delivered = from->delivered_pkts;
    to->tcpi_data_segs_in = from->data_segs_in;
    to->tcpi_rcv_ooopack = from->rcv_ooo_pkts;
    to->tcpi_delivery_rate = from->delivery_rate;
    to->tcpi_pacing_rate = from->pacing_rate;
}

static void put32(union face_info *to, size_t at, uint64_t value)
{
    uint32_t low = (uint32_t)value;

    memcpy(to->bytes + at, &low, sizeof(low));
}

static void fill_accurate_ecn(union face_info *to, const struct rn_tcp_info *from)
{
    to->info.tcpi_delivered_ce = from->delivered_ce_pkts;
    put32(to, FACE_INFO_RECEIVED_CE, from->received_ce_pkts);
    put32(to, FACE_INFO_DELIVERED_BYTES, from->delivered_ect1_bytes);
    put32(to, FACE_INFO_DELIVERED_BYTES + 4, from->delivered_ect0_bytes);
    put32(to, FACE_INFO_DELIVERED_BYTES + 8, from->delivered_ce_bytes);
    put32(to, FACE_INFO_RECEIVED_BYTES, from->received_ect1_bytes);
    put32(to, FACE_INFO_RECEIVED_BYTES + 4, from->received_ect0_bytes);
    put32(to, FACE_INFO_RECEIVED_BYTES + 8, from->received_ce_bytes);
}

/* Fills as much of @value as the caller gave; what we do not know is zero, and *len stays. */
static int get_info(struct face_fd *f, void *value, const socklen_t *len)
{
    struct rn_tcp_info from;
    union face_info to = { 0 };
    int err = rn_tcp_get_info(f->sock, &from);

    if (err < 0)
        return errno_of(err);
    fill_state(&to.info, &from);
    fill_windows(&to.info, &from);
    fill_times(&to.info, &from);
    fill_counts(&to.info, &from);
    fill_accurate_ecn(&to, &from);
    memset(value, 0, *len);
    memcpy(value, &to, *len < sizeof(to) ? *len : sizeof(to));
    return 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

static int put(void *value, socklen_t *len, const void *from, size_t size)
{
    *len = *len < size ? *len : (socklen_t)size;
    memcpy(value, from, *len);
    return 0;
}

static int put_int(void *value, socklen_t *len, int number)
{
    return put(value, len, &number, sizeof(number));
}

static int get_linger(struct face_fd *f, void *value, socklen_t *len)
{
    struct linger linger = { 0 };
    int64_t ns;
    int err = rn_sock_get_opt(f->sock, RN_SO_LINGER_NS, &ns);

    if (err < 0)
        return errno_of(err);
    linger.l_onoff = ns >= 0;
    linger.l_linger = ns >= 0 ? (int)(ns / RN_NS_PER_S) : 0;
    return put(value, len, &linger, sizeof(linger));
}

static int get_timeout(int64_t ns, void *value, socklen_t *len)
{
    struct timeval tv = { ns / RN_NS_PER_S, ns % RN_NS_PER_S / RN_NS_PER_US };

    return put(value, len, &tv, sizeof(tv));
}

/* Nine numbers of <linux/sock_diag.h>; the tester wants the call to succeed and looks at none of them. */
static int get_meminfo(void *value, socklen_t *len)
{
    uint32_t words[9] = { 0 };

    return put(value, len, words, sizeof(words));
}

static int get_socket_level(struct face_fd *f, int name, void *value, socklen_t *len)
{
    switch (name) {
    case SO_ERROR:
        return put_int(value, len, rn_err_to_errno(rn_sock_take_error(f->sock)));
    case SO_TYPE:
        return put_int(value, len, SOCK_STREAM);
    case SO_DOMAIN:
        return put_int(value, len, f->domain);
    case SO_PROTOCOL:
        return put_int(value, len, IPPROTO_TCP);
    case SO_LINGER:
        return get_linger(f, value, len);
    case SO_RCVTIMEO:
        return get_timeout(f->rcvtimeo_ns, value, len);
    case SO_SNDTIMEO:
        return get_timeout(f->sndtimeo_ns, value, len);
    case SO_MEMINFO:
        return get_meminfo(value, len);
    default:
        return -ENOPROTOOPT;
    }
}

static int get_tcp_level(struct face_fd *f, int name, void *value, socklen_t *len)
{
    const char *congestion;

    switch (name) {
    case TCP_INFO:
        return get_info(f, value, len);
    case TCP_CC_INFO:
        *len = 0;
        return 0;
    case TCP_CONGESTION:
        congestion = rn_tcp_congestion(f->sock);
        return put(value, len, congestion, strlen(congestion) + 1);
    default:
        return -ENOPROTOOPT;
    }
}

int face_getsockopt(struct face *face, int fd, int level, int name, void *value, socklen_t *len)
{
    struct face_fd *f = face_fd(face, fd);
    const struct opt_row *row = find_row(level, name);
    int64_t number;
    int err;

    if (f == NULL)
        return -EBADF;
    if (f->sock == NULL)
        return -ENOTSOCK;
    if (value == NULL || len == NULL)
        return -EFAULT;
    if (row == NULL)
        return level == SOL_SOCKET    ? get_socket_level(f, name, value, len)
               : level == IPPROTO_TCP ? get_tcp_level(f, name, value, len)
                                      : -ENOPROTOOPT;
    if (row->opt == RN_TCP_NOTSENT_LOWAT)
        return put_int(value, len, f->notsent_lowat);
    err = rn_sock_get_opt(f->sock, row->opt, &number);
    if (err < 0)
        return errno_of(err);
    return put_int(value, len, to_linux(row->shape, number));
}
