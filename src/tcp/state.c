#include "tcp/conn.h"

/*
 * The states of RFC 9293 §3.3.2 and the events that move between them; nothing else. Two corners:
 * - A passive open is a connection of its own, made in CLOSED by its SYN while the listener stays in LISTEN. So
 *   "SYN-RCVD returns to LISTEN on RST" (§3.10.7.4) is the end of that connection.
 * - A segment with FIN and the ACK of our FIN is two events in order: FIN_ACKED, then FIN_RCVD. FINs in SYN-RCVD wait,
 *   sent or received, until our SYN is acknowledged.
 */
#define XX   0 /* cannot happen */
#define S(x) RN_TCP_##x

static const uint8_t next_state[RN_TCP_CLOSING + 1][RN_TCP_EV_COUNT] = {
    /* clang-format off */
    /*                   OPEN_ACTIVE  OPEN_PASSIVE SYN_RCVD     SYN_ACKED       FIN_SENT       FIN_RCVD       FIN_ACKED      TIMEOUT    RESET    */
    [S(CLOSED)]      = { S(SYN_SENT), S(LISTEN),   S(SYN_RCVD), XX,             XX,            XX,            XX,            S(CLOSED), S(CLOSED) },
    [S(LISTEN)]      = { XX,          S(LISTEN),   XX,          XX,             XX,            XX,            XX,            S(CLOSED), S(CLOSED) },
    [S(SYN_SENT)]    = { XX,          XX,          S(SYN_RCVD), S(ESTABLISHED), XX,            XX,            XX,            S(CLOSED), S(CLOSED) },
    [S(SYN_RCVD)]    = { XX,          XX,          XX,          S(ESTABLISHED), XX,            XX,            XX,            S(CLOSED), S(CLOSED) },
    [S(ESTABLISHED)] = { XX,          XX,          XX,          XX,             S(FIN_WAIT_1), S(CLOSE_WAIT), XX,            S(CLOSED), S(CLOSED) },
    [S(FIN_WAIT_1)]  = { XX,          XX,          XX,          XX,             XX,            S(CLOSING),    S(FIN_WAIT_2), S(CLOSED), S(CLOSED) },
    [S(FIN_WAIT_2)]  = { XX,          XX,          XX,          XX,             XX,            S(TIME_WAIT),  XX,            S(CLOSED), S(CLOSED) },
    [S(CLOSE_WAIT)]  = { XX,          XX,          XX,          XX,             S(LAST_ACK),   XX,            XX,            S(CLOSED), S(CLOSED) },
    [S(CLOSING)]     = { XX,          XX,          XX,          XX,             XX,            XX,            S(TIME_WAIT),  S(CLOSED), S(CLOSED) },
    [S(LAST_ACK)]    = { XX,          XX,          XX,          XX,             XX,            XX,            S(CLOSED),     S(CLOSED), S(CLOSED) },
    [S(TIME_WAIT)]   = { XX,          XX,          XX,          XX,             XX,            XX,            XX,            S(CLOSED), S(CLOSED) },
    /* clang-format on */
};

static bool is_open_both_ways(unsigned state)
{
    return state == RN_TCP_ESTABLISHED || state == RN_TCP_CLOSE_WAIT;
}

/* The connection counters of RFC 4022 are defined by transitions, so here is their one place. */
static void count_transition(struct rn_stats *stats, unsigned from, unsigned to)
{
    if (from == to)
        return;
    if (to == RN_TCP_SYN_SENT)
        stats->tcp_active_opens++;
    if (to == RN_TCP_SYN_RCVD && from == RN_TCP_CLOSED)
        stats->tcp_passive_opens++;
    if (to == RN_TCP_CLOSED && (from == RN_TCP_SYN_SENT || from == RN_TCP_SYN_RCVD))
        stats->tcp_attempt_fails++;
    if (to == RN_TCP_CLOSED && is_open_both_ways(from))
        stats->tcp_estab_resets++;
    if (is_open_both_ways(to) && !is_open_both_ways(from))
        stats->tcp_curr_estab++;
    if (is_open_both_ways(from) && !is_open_both_ways(to))
        stats->tcp_curr_estab--;
}

void rn_tcp_move(struct rn_tcp *conn, enum rn_tcp_event event)
{
    unsigned next = next_state[conn->state][event];

    if (!rn_tcp_check(conn, next != XX))
        return;
    count_transition(&conn->sock.stack->stats, conn->state, next);
    conn->state = (uint8_t)next;
}

const char *rn_tcp_state_name(enum rn_tcp_state state)
{
    static const char *const names[] = {
        "?",         "ESTABLISHED", "SYN-SENT",   "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2",
        "TIME-WAIT", "CLOSED",      "CLOSE-WAIT", "LAST-ACK",     "LISTEN",     "CLOSING",
    };

    return names[(unsigned)state < RN_ARRAY_LEN(names) ? (unsigned)state : 0];
}
