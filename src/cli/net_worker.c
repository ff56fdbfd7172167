#include "cli/net_worker.h"

#include "cli/policy.h"
#include "dev/impair.h"
#include "dev/sniffer.h"
#include "io/driver.h"
#include "io/entropy.h"
#include "io/packet_device.h"
#include "io/pcap_file.h"
#include "io/tun.h"
#include "outnet/gate_icmp.h"
#include "outnet/gate_tcp.h"
#include "outnet/gate_udp.h"
#include "outnet/native_fd.h"
#include "stack/nic.h"

#include <runnel/err.h>
#include <runnel/route.h>
#include <runnel/stats.h>
#include <runnel/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Inside are one user's programs: each connect that cannot be is told so at once, a hundred at a time too. */
#define ICMP_RATE_PER_S 10000u
#define ICMP_BURST      4096u

#define HOST_NAME "host.runnel"

/* Of all workers together. */
#define DIALS_MAX        4096u
#define UDP_SESSIONS_MAX 16384u
#define QUESTIONS_MAX    1024u

struct rn_net_worker {
    const struct rn_worker_config *config; /* borrows, as the next two */
    struct rn_workers *workers;
    struct rn_loop *loop;
    unsigned index;
    struct rn_device *device; /* the outermost of the stacked ones; owns those below */
    struct rn_pcap_out *pcap;
    struct rn_stack *stack;
    struct rn_nic *nic; /* owned by the stack */
    struct rn_driver driver;
    struct rn_net *net;
    struct rn_resolver *resolver;
    struct rn_policy policy;
    struct rn_gate_dns *dns;
    struct rn_gate_tcp *tcp;
    struct rn_gate_udp *udp;
    struct rn_gate_icmp *icmp;
    struct rn_fds device_fds;
    int pcap_fd;
    int echo_fd[2];
    const char **ret_what; /* during rn_net_worker_new */
};

/* --- building, in the order of packets' way -------------------------------------------------------------------- */
static int build_queue(struct rn_net_worker *w, struct rn_device **ret)
{
    const struct rn_cell_report *cell = &w->config->cell;
    struct rn_turn *turn = rn_loop_turn(w->loop);

    if (cell->rung == RN_CELL_TUN) {
        struct rn_tun_opts opts = { .name = cell->ifname,
                                    .mtu = w->config->plan.mtu,
                                    .has_io_uring = w->config->plan.has_io_uring };

        *w->ret_what =
            opts.has_io_uring ? "drive the TUN queue by io_uring" : "adopt the TUN queue";
        return rn_tun_from_fd(ret, turn, w->device_fds.fd[0], &opts);
    } else {
        /* Locally administered, and not the far end's own: the kernel's IP would answer there. */
        struct rn_packet_opts opts = { .name = cell->ifname,
                                       .mtu = w->config->plan.mtu,
                                       .mac = { { 0x02, 'r', 'u', 'n', 'g', 'w' } } };

        if (w->config->plan.has_io_uring) {
            *w->ret_what = "drive a veth by io_uring, which is for a TUN";
            return RN_E_NOT_SUPPORTED;
        }
        *w->ret_what = "adopt the packet sockets";
        return rn_packet_from_fds(ret, turn, w->device_fds.fd, w->device_fds.n, &opts);
    }
}

/* Among several it shares with the others what its queue brings. */
static int build_device(struct rn_net_worker *w)
{
    struct rn_device *queue;
    int err = build_queue(w, &queue);

    if (err < 0)
        return err;
    err = rn_workers_queue(w->workers, w->index, queue, &w->device);
    if (err < 0)
        rn_device_free(queue);
    return err;
}

/* The capture sees what the kernel inside sees; the bad link lies between that and us. */
static int build_link(struct rn_net_worker *w)
{
    struct rn_device *above;
    int err;

    if (w->config->has_pcap) {
        const struct rn_pcap_out_opts opts = { .app = "runnel " RN_VERSION,
                                               .filter = &w->config->plan.pcap_filter };
        struct rn_sniff_sink sink;

        *w->ret_what = "start the capture";
        err = rn_pcap_out_new(&w->pcap, w->loop, w->pcap_fd, &opts);
        if (err < 0)
            return err;
        err = rn_pcap_out_interface(w->pcap, w->config->cell.ifname, w->device->link_type, &sink);
        if (err < 0)
            return err;
        err = rn_sniffer_new(&above, w->device, &sink);
        if (err < 0)
            return err;
        w->device = above;
    }
    if (w->config->plan.has_impair) {
        *w->ret_what = "set up the impairment";
        err = rn_impair_new(&above, w->device, &w->config->plan.impair);
        if (err < 0)
            return err;
        w->device = above;
    }
    return RN_OK;
}

static int add_family(struct rn_net_worker *w, struct rn_addr gateway, unsigned bits)
{
    struct rn_addr any = rn_addr_is_v4(gateway) ? rn_addr_v4(0) : rn_addr_none();
    struct rn_route_entry inside = { .dst = rn_prefix_of(any, 0), .nic = rn_nic_id(w->nic) };
    int err = rn_nic_add_addr(w->nic, gateway, bits);

    inside.dst.is_v4 = rn_addr_is_v4(gateway);
    return err < 0 ? err : rn_route_add(w->stack, &inside);
}

static int build_stack(struct rn_net_worker *w)
{
    const struct rn_run_plan *plan = &w->config->plan;
    /* A program may ask a resolver on loopback, which leads to us (rn_plan_stubs). */
    struct rn_stack_opts stack = { .protos = &rn_protos_all,
                                   .allow_loopback_from_nic = true,
                                   .icmp_rate_per_s = ICMP_RATE_PER_S,
                                   .icmp_burst = ICMP_BURST };
    struct rn_nic_opts nic = { .name = w->config->cell.ifname,
                               .flags = RN_NIC_PROMISCUOUS | RN_NIC_SPOOFING | RN_NIC_NO_DAD };
    int err;

    *w->ret_what = "create the stack";
    err = rn_entropy(stack.secret, sizeof(stack.secret));
    if (err < 0)
        return err;
    err = rn_stack_new(&w->stack, rn_loop_turn(w->loop), &stack);
    if (err < 0)
        return err;
    /* Nobody shares the link to the command with us: what gets lost on it is its fault, not congestion. */
    err = rn_tcp_set_default_congestion(w->stack, "cubic-bbr");
    if (err < 0)
        return err;
    rn_workers_serve(w->workers, w->index, w->stack);
    err = rn_nic_new(&w->nic, w->stack, w->device, &nic);
    if (err < 0)
        return err;
    if (plan->has_v4)
        err = add_family(w, plan->gateway4, plan->bits4);
    if (err >= 0 && plan->has_v6)
        err = add_family(w, plan->gateway6, plan->bits6);
    if (err < 0)
        return err;
    *w->ret_what = "start the driver";
    err = rn_nic_start(w->nic);
    if (err < 0)
        return err;
    return rn_driver_start(&w->driver, w->loop, w->nic->pump);
}

static int build_net(struct rn_net_worker *w)
{
    const struct rn_run_plan *plan = &w->config->plan;
    struct rn_net_native_opts native = { .echo4_fd = w->echo_fd[0],
                                         .echo6_fd = w->echo_fd[1],
                                         .has_raw_echo = w->config->has_raw_echo };
    struct rn_resolver_opts resolver = { .host_name = HOST_NAME,
                                         .max_questions = QUESTIONS_MAX / plan->n_workers,
                                         .host_addrs = { plan->gateway4, plan->gateway6 } };
    int err;

    *w->ret_what = "open the host's network";
    if (plan->n_workers > 1)
        native.max_conns = rn_native_fd_limit(0) / plan->n_workers;
    err = rn_net_native_new(&w->net, w->loop, &native);
    if (err < 0)
        return err;
    resolver.net = w->net;
    err = rn_resolver_new(&w->resolver, &resolver);
    if (err < 0)
        return err;
    rn_resolver_set_servers(w->resolver, plan->dns, plan->n_dns);
    w->policy = (struct rn_policy){ .gateway4 = plan->gateway4,
                                    .gateway6 = plan->gateway6,
                                    .inner4 = rn_prefix_of(plan->gateway4, plan->bits4),
                                    .inner6 = rn_prefix_of(plan->gateway6, plan->bits6),
                                    .host_loopback = w->config->host_loopback,
                                    .resolver = w->resolver };
    return RN_OK;
}

static void tell_session(void *arg, const struct rn_endpoint *client, const struct rn_endpoint *to,
                         int err)
{
    char from_text[RN_ENDPOINT_TEXT_BYTES];
    char to_text[RN_ENDPOINT_TEXT_BYTES];
    (void)arg;

    fprintf(stderr, "runnel: tcp %s > %s: %s\n", rn_endpoint_print(client, from_text),
            rn_endpoint_print(to, to_text),
            err < 0 ? rn_err_text(err) : "connected"); /* syscalls: write */
}

static int build_gates(struct rn_net_worker *w)
{
    unsigned n = w->config->plan.n_workers;
    struct rn_gate_tcp_opts tcp = { .stack = w->stack,
                                    .net = w->net,
                                    .max_pending = DIALS_MAX / n,
                                    .map = rn_policy_tcp,
                                    .map_arg = &w->policy };
    struct rn_gate_dns_opts dns = { .stack = w->stack, .resolver = w->resolver };
    struct rn_gate_udp_opts udp = { .stack = w->stack,
                                    .net = w->net,
                                    .resolver = w->resolver,
                                    .max_sessions = UDP_SESSIONS_MAX / n,
                                    .policy = rn_policy_udp,
                                    .peer = rn_policy_peer,
                                    .policy_arg = &w->policy };
    struct rn_gate_icmp_opts icmp = {
        .stack = w->stack, .net = w->net, .map = rn_policy_map, .map_arg = &w->policy
    };
    int err;

    *w->ret_what = "open the gates";
    if (w->config->verbose > 0)
        tcp.on_session = tell_session;
    err = rn_gate_dns_new(&w->dns, &dns);
    tcp.dns = w->dns;
    if (err >= 0)
        err = rn_gate_tcp_new(&w->tcp, &tcp);
    if (err >= 0)
        err = rn_gate_udp_new(&w->udp, &udp);
    if (err >= 0)
        err = rn_gate_icmp_new(&w->icmp, &icmp);
    return err;
}

int rn_net_worker_new(struct rn_net_worker **ret, const struct rn_net_place *place,
                      const struct rn_net_worker_fds *fds, const char **ret_what)
{
    struct rn_net_worker *w = calloc(1, sizeof(*w));
    int err;

    if (w == NULL)
        return RN_E_NOMEM;
    w->config = place->config;
    w->workers = place->workers;
    w->index = place->index;
    w->loop = rn_workers_loop(place->workers, place->index);
    w->ret_what = ret_what;
    w->device_fds = fds->device;
    w->pcap_fd = fds->pcap;
    w->echo_fd[0] = fds->echo4;
    w->echo_fd[1] = fds->echo6;
    rn_loop_busy_poll(w->loop, (int64_t)w->config->plan.busy_poll_us * RN_NS_PER_US);
    err = build_device(w);
    if (err >= 0)
        err = build_link(w);
    if (err >= 0)
        err = build_stack(w);
    if (err >= 0)
        err = build_net(w);
    if (err >= 0)
        err = build_gates(w);
    if (err < 0) {
        rn_net_worker_free(w);
        return err;
    }
    *ret = w;
    return RN_OK;
}

/* --- published ports ------------------------------------------------------------------------------------------- */
void rn_net_worker_admit(struct rn_net_worker *w, int fd, uint16_t inner_port)
{
    const struct rn_run_plan *plan = &w->config->plan;
    struct rn_net_conn *conn;
    struct rn_endpoint from;
    struct rn_endpoint to;

    if (rn_net_native_adopt(&conn, w->net, fd) < 0) {
        close(fd);
        return;
    }
    to.addr = rn_addr_is_v4(conn->remote.addr) ? plan->addr4 : plan->addr6;
    to.port = inner_port;
    to.nic = 0;
    from = rn_policy_peer(&w->policy, &conn->remote);
    (void)rn_gate_tcp_inward(w->tcp, conn, &from, &to);
}

int rn_net_worker_publish_udp(struct rn_net_worker *w, int fd, const struct rn_endpoint *inner)
{
    struct rn_net_dgram *dgram;
    int err = rn_net_native_adopt_dgram(&dgram, w->net, fd);

    if (err < 0) {
        close(fd);
        return err;
    }
    return rn_gate_udp_publish(w->udp, dgram, inner);
}

/* --- life -------------------------------------------------------------------------------------------------------- */
void rn_net_worker_set_servers(struct rn_net_worker *w, const struct rn_addr *servers, unsigned n)
{
    rn_resolver_set_servers(w->resolver, servers, rn_min_u32(n, RN_PLAN_DNS_MAX));
}

struct rn_loop *rn_net_worker_loop(struct rn_net_worker *w)
{
    return w->loop;
}

/* --- the end ----------------------------------------------------------------------------------------------------- */
void rn_net_worker_look(const struct rn_net_worker *w, struct rn_net_activity *ret)
{
    struct rn_workers_counts counts;
    struct rn_nic_counts nic;

    rn_nic_get_counts(w->nic, &nic);
    rn_workers_get_counts(w->workers, w->index, &counts);
    ret->rx_pkts = nic.rx_pkts;
    ret->handed_over = counts.handed_over;
    ret->taken_over = counts.taken_over;
    ret->unsent = rn_gate_tcp_unsent(w->tcp);
}

static void add_fd(int *ret, unsigned max, unsigned *n, int fd)
{
    if (fd > STDERR_FILENO && *n < max)
        ret[(*n)++] = fd;
}

unsigned rn_net_worker_fds(const struct rn_net_worker *w, int *ret, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->device_fds.n; i++)
        add_fd(ret, max, &n, w->device_fds.fd[i]);
    add_fd(ret, max, &n, w->device->ops->poll_fd(w->device));
    add_fd(ret, max, &n, w->pcap_fd);
    add_fd(ret, max, &n, w->echo_fd[0]);
    add_fd(ret, max, &n, w->echo_fd[1]);
    add_fd(ret, max, &n, w->loop->epoll_fd);
    add_fd(ret, max, &n, w->loop->event_fd);
    return n;
}

void rn_net_worker_count(const struct rn_net_worker *w, struct rn_net_part *ret)
{
    *ret = (struct rn_net_part){ .stack = w->stack, .tcp = w->tcp, .udp = w->udp };
}

struct rn_net_worker *rn_net_worker_free(struct rn_net_worker *w)
{
    if (w == NULL)
        return NULL;
    rn_gate_icmp_free(w->icmp);
    rn_gate_udp_free(w->udp);
    rn_gate_tcp_free(w->tcp);
    rn_gate_dns_free(w->dns);
    rn_resolver_free(w->resolver);
    rn_driver_stop(&w->driver);
    rn_stack_free(w->stack);
    rn_net_free(w->net);
    rn_device_free(w->device);
    rn_pcap_out_free(w->pcap);
    free(w);
    return NULL;
}
