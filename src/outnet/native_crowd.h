#pragma once
/*
 * Receive buffers of host sockets while many of them are busy. The kernel lets each grow by itself, to tcp_rmem[2]; where those
 * who send are faster than we, all of them fill, and a thousand reach what TCP of the whole machine may have (tcp_mem). Then
 * the kernel offers four segments wherever a buffer is more than half full (__tcp_select_window()), and everything crawls.
 * Buffers of a fixed, moderate size are seldom that full. So as long as many are busy each has such a one; when they are few
 * again each grows by itself again, since one stream over a long path needs more.
 */
#include "base/bytes.h"

/* Of a net, zero to begin with. */
struct rn_native_crowd {
    int64_t second;    /* that is being counted */
    unsigned n_now;    /* sockets that were busy in it */
    unsigned n_before; /* in the second before it */
    bool
        is_refused; /* the kernel allows no such size (net.core.rmem_max), or cannot let go of it (before 5.14) */
};

/* Of a socket, zero to begin with. */
struct rn_native_seat {
    int64_t second; /* when it was busy last */
    bool is_fixed;
};

/* @fd gave @bytes in one read, at @now_ns. */
void rn_native_crowd_note(struct rn_native_crowd *crowd, struct rn_native_seat *seat, int fd,
                          size_t bytes, int64_t now_ns);
