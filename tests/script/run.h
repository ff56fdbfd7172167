#pragma once
/* Plays a script against one stack under virtual time. */
#include "face.h"
#include "script.h"
#include "wirefmt.h"

#define RUN_FLOWS_MAX    256
#define RUN_TS_PAIRS_MAX 64
#define RUN_FD_MAX       256

/* One connection: its names, and how its numbers on the wire relate to those of the script. The peer's sequence numbers
 * and timestamps are the script's own; ours begin where the stack chose. */
struct flow {
    bool is_known; /* names are filled in */
    bool is_active;
    bool may_learn; /* the next SYN of ours tells our ISN */
    bool has_isn;
    struct flow_names names;
    uint32_t isn;    /* ours, on the wire */
    uint32_t offset; /* ours on the wire = script's + offset */
    unsigned n_ts;
    uint32_t ts[RUN_TS_PAIRS_MAX][2]; /* our timestamps: as the script has them, as on the wire */
};

/* A system call under way. */
struct exec {
    const struct event *event;
    bool may_wait; /* .op is asked until it is done; else .op.result is final */
    struct face_call op;
    struct iovec iov[16];
    struct sockaddr_storage addr;
    socklen_t addr_len;
    struct pollfd polls[16];
    struct epoll_event events[16];
    struct linger linger;
    struct timeval timeval;
    int number;
    uint8_t option[512];
    int64_t done_ns;
};

struct run {
    const struct script *script;
    struct arena arena;
    struct world world;
    struct face face;
    struct flow *flows; /* [RUN_FLOWS_MAX], 1 is the usual one */
    const struct event *event;
    int64_t last_us;               /* when the event before this one was, in script time */
    struct exec *blocked;          /* the one call that waits; NULL: none */
    int fd_live[RUN_FD_MAX];       /* by the script's number; -1: none */
    uint64_t n_read[FACE_FDS_MAX]; /* by live fd: where in its streams it is */
    uint64_t n_written[FACE_FDS_MAX];
    int info_fd;  /* the live fd that %{ }% looks at */
    FILE *report; /* where failures are told */
    bool has_failed;
};

/* Plays @script, telling the first failure on @report. @pcap may be NULL. */
bool run_script(const struct script *script, FILE *report, FILE *pcap);

/* --- between the parts ------------------------------------------------------------------------------------------- */
#define RUN_START_NS (1000 * RN_NS_PER_S)

/* Tells the failure, with path and line of the event. Returns false. */
bool run_fail(struct run *run, const struct event *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline int64_t run_ns(int64_t script_us)
{
    return RUN_START_NS + script_us * RN_NS_PER_US;
}
static inline int64_t run_us(int64_t ns)
{
    return (ns - RUN_START_NS) / RN_NS_PER_US;
}
/* When the event is or ends, in script time. */
int64_t run_at_us(const struct run *run, const struct event *event, int64_t us);
/* Is @us (script time) within [from, until] and the tolerance? */
bool run_is_timely(const struct run *run, int64_t us, int64_t from_us, int64_t until_us);

/* run_packet.c */
bool run_inject(struct run *run, const struct event *event);
/* Waits for the packet; @ret_us: when it left. */
bool run_expect(struct run *run, const struct event *event, int64_t *ret_us);
/* Fails if something left that no line named. */
bool run_expect_silence(struct run *run);
struct flow *run_flow(struct run *run, unsigned number);
/* The flow of a live descriptor's socket, NULL: none that a packet of the script belongs to. */
struct flow *run_flow_of_fd(struct run *run, int live_fd);

/* run_call.c */
bool run_call(struct run *run, const struct event *event);
/* After each turn: goes on with the call that waits. */
void run_retry_blocked(struct run *run);
/* Judges a blocked call that is done; @is_last: it must be. */
bool run_settle_blocked(struct run *run, bool is_last);
