#include "outnet/native_crowd.h"

#include <linux/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* A read of so much says that its socket is busy. */
#define BUSY_BYTES 16384u
/* So many busy ones are a crowd, and it goes on until they are half as many. With windows of 1.5 MiB 128 of them carry
 * 16 Gbit/s over a path of 100 ms. */
#define CROWD_MIN 128u
/* What is asked for: the kernel doubles it, for what it keeps beside the data (socket(7)). */
#define FIXED_BYTES (1 << 20)

static void advance(struct rn_native_crowd *crowd, int64_t second)
{
    if (second != crowd->second) {
        crowd->n_before = second == crowd->second + 1 ? crowd->n_now : 0;
        crowd->n_now = 0;
        crowd->second = second;
    }
}

static void count(struct rn_native_crowd *crowd, struct rn_native_seat *seat)
{
    if (seat->second != crowd->second) {
        seat->second = crowd->second;
        crowd->n_now++;
    }
}

static bool is_crowd(const struct rn_native_crowd *crowd, const struct rn_native_seat *seat)
{
    unsigned n = rn_max_u32(crowd->n_now, crowd->n_before);

    return n >= (seat->is_fixed ? CROWD_MIN / 2 : CROWD_MIN);
}

/* The size that it has stays, or the kernel sees to it again. */
static bool set_lock(int fd, bool is_locked)
{
    int lock = is_locked ? SOCK_RCVBUF_LOCK : 0;

    /* syscalls: setsockopt */
    return setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &lock, sizeof(lock)) == 0;
}

static int size_of(int fd)
{
    int bytes = 0;
    socklen_t len = sizeof(bytes);

    /* syscalls: getsockopt */
    return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &len) == 0 ? bytes : 0;
}

/* One that is larger already is not made smaller: what was offered to the sender must find room. */
static bool fix(int fd)
{
    int bytes = FIXED_BYTES;
    int window = 2 * FIXED_BYTES; /* it follows only a buffer that grows by itself */

    if (!set_lock(fd, true))
        return false;
    if (size_of(fd) < 2 * FIXED_BYTES) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &window, sizeof(window));
    }
    return size_of(fd) >= 2 * FIXED_BYTES;
}

void rn_native_crowd_note(struct rn_native_crowd *crowd, struct rn_native_seat *seat, int fd,
                          size_t bytes, int64_t now_ns)
{
    bool is_many;

    /* Small reads make nobody busy, but whose buffer is fixed hears by them, too, that the crowd has gone. */
    if (bytes < BUSY_BYTES && !seat->is_fixed)
        return;
    advance(crowd, now_ns / RN_NS_PER_S);
    if (bytes >= BUSY_BYTES)
        count(crowd, seat);
    is_many = is_crowd(crowd, seat);
    if (is_many == seat->is_fixed || crowd->is_refused)
        return;
    seat->is_fixed = is_many && fix(fd);
    crowd->is_refused = is_many && !seat->is_fixed;
    if (!seat->is_fixed)
        (void)set_lock(fd, false);
}
