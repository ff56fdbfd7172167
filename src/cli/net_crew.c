#include "cli/net_crew.h"

#include "cli/net_worker.h"
#include "io/post.h"

#include <runnel/err.h>
#include <runnel/workers.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DRAIN_TICK_NS RN_NS_PER_MS

/* One published port. The socket of a UDP one is a gate's; here it is only remembered, to survive the sandbox. */
struct listener {
    struct rn_list link;
    struct rn_net_crew *crew;
    struct rn_watch watch;
    int fd;
    bool is_udp;
    uint16_t inner_port;
};

/* A question to a worker on its own thread, and the answer on worker 0's. */
struct look {
    struct rn_posted ask;
    struct rn_posted answer;
    struct rn_net_crew *crew;
    struct rn_net_worker *worker;
    struct rn_net_activity seen;
};

struct rn_net_crew {
    const struct rn_worker_config *config; /* borrows */
    struct rn_workers *workers;
    struct rn_net_worker *worker[RN_WORKERS_MAX];
    unsigned n;
    unsigned next; /* who gets the next accepted connection */
    struct rn_list listeners;
    struct {
        struct rn_timer timer;
        void (*done)(void *arg);
        void *arg;
        struct look looks[RN_WORKERS_MAX];
        unsigned n_awaited;
        struct rn_net_activity last; /* of all, at the last round of looks */
    } drain;
};

/* --- building ---------------------------------------------------------------------------------------------------- */
/* Worker @index's share of what the supervisor sent; the first has what there is only one of. */
static struct rn_net_worker_fds share_of(const struct rn_net_crew *crew, const struct rn_fds *fds,
                                         unsigned index)
{
    const struct rn_worker_config *c = crew->config;
    struct rn_net_worker_fds share = { .pcap = -1 };
    unsigned at = c->n_device_fds;

    if (crew->n > 1) {
        share.device = (struct rn_fds){ .fd = { fds->fd[index] }, .n = 1 };
    } else {
        memcpy(share.device.fd, fds->fd, at * sizeof(fds->fd[0]));
        share.device.n = at;
    }
    if (index != 0)
        return share;
    if (c->has_pcap && at < fds->n)
        share.pcap = fds->fd[at++];
    if (c->has_echo4 && at < fds->n)
        share.echo4 = fds->fd[at++];
    if (c->has_echo6 && at < fds->n)
        share.echo6 = fds->fd[at++];
    return share;
}

static int add_worker(struct rn_net_crew *crew, unsigned index, const struct rn_fds *fds,
                      const char **ret_what)
{
    struct rn_net_place place = { .config = crew->config,
                                  .workers = crew->workers,
                                  .index = index };
    struct rn_net_worker_fds share = share_of(crew, fds, index);

    return rn_net_worker_new(&crew->worker[index], &place, &share, ret_what);
}

static int build(struct rn_net_crew *crew, const struct rn_fds *fds, const char **ret_what)
{
    const struct rn_workers_opts opts = { .n = crew->n };
    int err;

    *ret_what = "take its descriptors";
    if (crew->config->n_device_fds > fds->n ||
        (crew->n > 1 && crew->config->n_device_fds != crew->n))
        return RN_E_BAD_STATE;
    *ret_what = "start the loop";
    err = rn_workers_new(&crew->workers, &opts);
    for (unsigned i = 0; i < crew->n && err >= 0; i++)
        err = add_worker(crew, i, fds, ret_what);
    return err;
}

int rn_net_crew_new(struct rn_net_crew **ret, const struct rn_worker_config *config,
                    struct rn_fds *fds, const char **ret_what)
{
    struct rn_net_crew *crew = calloc(1, sizeof(*crew));
    int err;

    if (crew == NULL) {
        rn_fds_close(fds);
        return RN_E_NOMEM;
    }
    crew->config = config;
    crew->n = config->plan.n_workers;
    rn_list_init(&crew->listeners);
    err = build(crew, fds, ret_what);
    fds->n = 0; /* the workers have them */
    if (err < 0) {
        rn_net_crew_free(crew);
        return err;
    }
    *ret = crew;
    return RN_OK;
}

/* --- published ports --------------------------------------------------------------------------------------------- */
/* An accepted connection on its way to a worker. */
struct arrival {
    struct rn_net_worker *worker;
    int fd;
    uint16_t inner_port;
};

static void arrive(struct rn_loop *loop, void *arg)
{
    struct arrival *a = arg;

    if (loop != NULL)
        rn_net_worker_admit(a->worker, a->fd, a->inner_port);
    else
        close(a->fd);
    free(a);
}

static bool send_to(struct rn_net_worker *worker, int fd, uint16_t inner_port)
{
    struct arrival *a = malloc(sizeof(*a));

    if (a == NULL)
        return false;
    *a = (struct arrival){ .worker = worker, .fd = fd, .inner_port = inner_port };
    if (rn_post(rn_net_worker_loop(worker), arrive, a) >= 0)
        return true;
    free(a);
    return false;
}

/* In turn; worker 0 is here. */
static void admit(struct listener *l, int fd)
{
    struct rn_net_crew *crew = l->crew;
    unsigned index = crew->next++ % crew->n;

    if (index == 0 || !send_to(crew->worker[index], fd, l->inner_port))
        rn_net_worker_admit(crew->worker[0], fd, l->inner_port);
}

static void on_listener(struct rn_watch *watch, unsigned ready)
{
    struct listener *l = rn_container_of(watch, struct listener, watch);
    int fd;
    (void)ready;

    while ((fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) /* syscalls: accept4 */
        admit(l, fd);
}

/* Consumes @fd on success. */
static int listen_one(struct rn_net_crew *crew, int fd, uint16_t inner_port, bool is_udp)
{
    struct listener *l = calloc(1, sizeof(*l));
    int err = RN_OK;

    if (l == NULL)
        return RN_E_NOMEM;
    *l = (struct listener){
        .crew = crew, .fd = fd, .is_udp = is_udp, .inner_port = inner_port, .watch.fn = on_listener
    };
    if (!is_udp)
        err = rn_loop_watch(rn_net_crew_loop(crew), &l->watch, fd, RN_IO_READ | RN_IO_EDGE);
    if (err < 0) {
        free(l);
        return err;
    }
    rn_list_push_back(&crew->listeners, &l->link);
    return RN_OK;
}

/* Consumes @fd on success. The answers of @inner must come to whoever has the socket. */
static int publish(struct rn_net_crew *crew, int fd, const struct rn_endpoint *inner, bool is_udp)
{
    int err = listen_one(crew, fd, inner->port, is_udp);

    if (err < 0 || !is_udp)
        return err;
    return rn_net_worker_publish_udp(crew->worker[rn_workers_owner(crew->workers, inner)], fd,
                                     inner);
}

int rn_net_crew_listen(struct rn_net_crew *crew, const struct rn_worker_listen *order,
                       struct rn_fds *fds)
{
    const struct rn_run_plan *plan = &crew->config->plan;
    bool is_v4 = rn_addr_is_v4(order->first.addr);

    for (unsigned i = 0; i < fds->n; i++) {
        struct rn_endpoint inner = { .addr = is_v4 ? plan->addr4 : plan->addr6,
                                     .port = (uint16_t)(order->port_first + i) };
        int err = publish(crew, fds->fd[i], &inner, order->is_udp);

        if (err < 0)
            return err;
    }
    return RN_OK;
}

/* --- life -------------------------------------------------------------------------------------------------------- */
struct servers {
    struct rn_net_worker *worker;
    struct rn_worker_servers list;
};

static void change_servers(struct rn_loop *loop, void *arg)
{
    struct servers *s = arg;

    if (loop != NULL)
        rn_net_worker_set_servers(s->worker, s->list.addrs, s->list.n);
    free(s);
}

/* Without memory a worker goes on asking the old ones. */
static void tell_servers(struct rn_net_worker *worker, const struct rn_addr *servers, unsigned n)
{
    struct servers *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return;
    s->worker = worker;
    s->list.n = rn_min_u32(n, RN_PLAN_DNS_MAX);
    memcpy(s->list.addrs, servers, s->list.n * sizeof(*servers));
    if (rn_post(rn_net_worker_loop(worker), change_servers, s) < 0)
        free(s);
}

void rn_net_crew_set_servers(struct rn_net_crew *crew, const struct rn_addr *servers, unsigned n)
{
    rn_net_worker_set_servers(crew->worker[0], servers, n);
    for (unsigned i = 1; i < crew->n; i++)
        tell_servers(crew->worker[i], servers, n);
}

struct rn_loop *rn_net_crew_loop(struct rn_net_crew *crew)
{
    return rn_workers_loop(crew->workers, 0);
}

unsigned rn_net_crew_fds(const struct rn_net_crew *crew, int *ret, unsigned max)
{
    const struct rn_list *it;
    unsigned n = 0;

    for (unsigned i = 0; i < crew->n; i++)
        n += rn_net_worker_fds(crew->worker[i], ret + n, max - n);
    rn_list_for_each (it, &crew->listeners) {
        if (n < max)
            ret[n++] = rn_container_of(it, const struct listener, link)->fd;
    }
    return n;
}

int rn_net_crew_start(struct rn_net_crew *crew)
{
    return rn_workers_start(crew->workers);
}

static void tell_totals(const struct rn_net_crew *crew)
{
    struct rn_net_totals totals = { .n_parts = crew->n, .verbose = crew->config->verbose };

    for (unsigned i = 0; i < crew->n; i++) {
        struct rn_net_activity seen;

        rn_net_worker_count(crew->worker[i], &totals.parts[i]);
        rn_net_worker_look(crew->worker[i], &seen);
        totals.handed_over += seen.handed_over;
    }
    rn_net_totals_tell(&totals);
}

int rn_net_crew_run(struct rn_net_crew *crew)
{
    int err = rn_workers_run(crew->workers);

    tell_totals(crew);
    return err;
}

void rn_net_crew_stop(struct rn_net_crew *crew)
{
    rn_loop_stop(rn_net_crew_loop(crew));
}

/* --- the end ----------------------------------------------------------------------------------------------------- */
static void look(struct rn_loop *loop, void *arg)
{
    struct look *l = arg;

    if (loop == NULL)
        return;
    rn_net_worker_look(l->worker, &l->seen);
    rn_post_work(rn_net_crew_loop(l->crew), &l->answer);
}

static struct rn_net_activity sum(const struct rn_net_crew *crew)
{
    struct rn_net_activity all = { 0 };

    for (unsigned i = 0; i < crew->n; i++) {
        const struct rn_net_activity *seen = &crew->drain.looks[i].seen;

        all.rx_pkts += seen->rx_pkts;
        all.handed_over += seen->handed_over;
        all.taken_over += seen->taken_over;
        all.unsent += seen->unsent;
    }
    return all;
}

/* Two rounds of looks at which nobody has got anything, nothing waits, and nothing is between two of them: a datagram may
 * still have lain in the device before. */
static void on_answer(struct rn_loop *loop, void *arg)
{
    struct rn_net_crew *crew = arg;
    struct rn_net_activity last = crew->drain.last;

    if (loop == NULL || --crew->drain.n_awaited != 0)
        return;
    crew->drain.last = sum(crew);
    if (crew->drain.last.rx_pkts == last.rx_pkts &&
        crew->drain.last.handed_over == last.handed_over &&
        crew->drain.last.taken_over == last.handed_over && crew->drain.last.unsent == 0) {
        crew->drain.done(crew->drain.arg);
        return;
    }
    rn_turn_arm(rn_loop_turn(loop), &crew->drain.timer, rn_loop_turn(loop)->now_ns + DRAIN_TICK_NS);
}

static void look_at_all(struct rn_net_crew *crew)
{
    crew->drain.n_awaited = crew->n;
    for (unsigned i = 0; i < crew->n; i++)
        rn_post_work(rn_net_worker_loop(crew->worker[i]), &crew->drain.looks[i].ask);
}

static void look_again(struct rn_timer *timer)
{
    look_at_all(rn_container_of(timer, struct rn_net_crew, drain.timer));
}

void rn_net_crew_drain(struct rn_net_crew *crew, void (*drained)(void *arg), void *arg)
{
    if (crew->drain.done != NULL)
        return; /* it will be said */
    crew->drain.done = drained;
    crew->drain.arg = arg;
    crew->drain.timer.fire = look_again;
    crew->drain.last = (struct rn_net_activity){ .rx_pkts = UINT64_MAX };
    for (unsigned i = 0; i < crew->n; i++) {
        struct look *l = &crew->drain.looks[i];

        *l = (struct look){ .ask = { .fn = look, .arg = l },
                            .answer = { .fn = on_answer, .arg = crew },
                            .crew = crew,
                            .worker = crew->worker[i] };
    }
    look_at_all(crew);
}

static void close_listeners(struct rn_net_crew *crew)
{
    struct rn_list *it;
    struct rn_list *next;

    rn_list_for_each_safe (it, next, &crew->listeners) {
        struct listener *l = rn_list_entry(it, struct listener, link);

        if (!l->is_udp) {
            rn_unwatch(&l->watch);
            close(l->fd);
        }
        free(l);
    }
}

struct rn_net_crew *rn_net_crew_free(struct rn_net_crew *crew)
{
    if (crew == NULL)
        return NULL;
    close_listeners(crew);
    if (crew->drain.done != NULL)
        rn_turn_cancel(rn_loop_turn(rn_net_crew_loop(crew)), &crew->drain.timer);
    for (unsigned i = 0; i < crew->n; i++)
        rn_net_worker_free(crew->worker[i]);
    rn_workers_free(crew->workers); /* runs what was posted and did not arrive */
    free(crew);
    return NULL;
}
