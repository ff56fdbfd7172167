#include "stack/pump.h"

#include "dev/gro.h"
#include "dev/gso.h"
#include "stack/stack.h"
#include "wire/udp.h"

#include <runnel/err.h>

#define WRITE_BATCH_PKTS 64u

static void schedule(struct rn_pump *pump)
{
    rn_turn_schedule(pump->nic->stack->turn, RN_PHASE_DELIVER, &pump->task);
}

static void count_received(const struct rn_pump *pump, uint64_t bytes)
{
    pump->nic->stack->turn->received_bytes += bytes;
    pump->nic->stack->turn->moved_bytes += bytes;
}

static void count_sent(const struct rn_pump *pump, uint64_t bytes)
{
    pump->nic->stack->turn->moved_bytes += bytes;
}

static void on_device(struct rn_device *device, unsigned events)
{
    struct rn_pump *pump = device->owner;

    if ((events & RN_DEV_READABLE) != 0)
        pump->may_read = true;
    if ((events & RN_DEV_WRITABLE) != 0)
        pump->may_write = true;
    if ((events & RN_DEV_MTU_CHANGED) != 0)
        rn_stack_routes_changed(pump->nic->stack);
    schedule(pump);
    if (pump->on_device_event != NULL)
        pump->on_device_event(pump, events);
}

static void on_nic_output(struct rn_nic *nic)
{
    schedule(nic->pump);
}

static void run(struct rn_task *task)
{
    struct rn_pump *pump = rn_container_of(task, struct rn_pump, task);

    rn_pump_write(pump);
    if (!pump->may_read)
        return;
    if (rn_pump_read(pump) < 0)
        pump->may_read = false;
    else
        schedule(pump); /* the device may have more; others come first */
}

void rn_pump_init(struct rn_pump *pump, struct rn_nic *nic)
{
    *pump = (struct rn_pump){
        .nic = nic, .device = nic->device, .task.run = run, .may_read = true, .may_write = true
    };
    nic->pump = pump;
    nic->on_output = on_nic_output;
    nic->device->owner = pump;
    nic->device->notify = on_device;
    schedule(pump);
}

void rn_pump_fini(struct rn_pump *pump)
{
    rn_turn_unschedule(&pump->task);
    rn_pktq_drop_all(&pump->held, RN_DROP_CLOSED);
    pump->nic->on_output = NULL;
    pump->nic->pump = NULL;
    pump->device->notify = NULL;
    pump->device->owner = NULL;
}

int rn_pump_read(struct rn_pump *pump)
{
    struct rn_pktq in = { 0 };
    uint64_t n_bytes = 0;
    unsigned n_pkts = 0;

    while (n_pkts < RN_DEVICE_TURN_PKTS && n_bytes < RN_DEVICE_TURN_BYTES) {
        int n = pump->device->ops->read_batch(pump->device, &in, RN_DEVICE_TURN_PKTS - n_pkts);

        if (n <= 0)
            return n < 0 ? n : RN_E_WOULD_BLOCK;
        n_pkts += (unsigned)n;
        n_bytes += in.n_bytes;
        count_received(pump, in.n_bytes);
        /* Else it gives what its far end made, large already. Of UDP a reader wants each datagram by itself. */
        if ((pump->device->caps & RN_DEV_RX_CSUM) == 0)
            rn_gro_merge(&in, pump->device->link_type, RN_GRO_TCP);
        rn_nic_input(pump->nic, &in);
    }
    return (int)n_pkts;
}

static bool is_datagram(const struct rn_pkt *pkt)
{
    return pkt->csum == RN_CSUM_PARTIAL && pkt->csum_offset == RN_UDP_CHECKSUM_AT &&
           pkt->gso == RN_GSO_NONE;
}

/* Datagrams that were sent one by one go as a train where each is read by itself all the same: every packet costs a call. */
static void couple(const struct rn_pump *pump, struct rn_pktq *taken)
{
    unsigned n = 0;

    if ((pump->device->caps & RN_DEV_TRAINS) == 0)
        return;
    for (const struct rn_pkt *pkt = taken->first; pkt != NULL; pkt = pkt->next)
        n += is_datagram(pkt);
    if (n > 1)
        rn_gro_merge(taken, pump->device->link_type, RN_GRO_UDP);
}

/* A batch for the wire: what is cut here counts as all its segments, or a few dozen packets would become thousands, cold
 * in the cache when the last of them leaves. */
static void take_batch(const struct rn_pump *pump, struct rn_pktq *taken)
{
    unsigned n = 0;

    while (n < WRITE_BATCH_PKTS && !rn_pktq_is_empty(&pump->nic->out)) {
        (void)rn_nic_take_output(pump->nic, taken, 1);
        n += rn_gso_is_taken(pump->device, taken->last) ? 1 : rn_pkt_segments(taken->last);
    }
}

/* What the device cannot do is done here, once: segments cut, checksums completed. */
static void refill(struct rn_pump *pump)
{
    struct rn_pktq taken = { 0 };
    struct rn_pkt *pkt;

    if (!rn_pktq_is_empty(&pump->held))
        return;
    take_batch(pump, &taken);
    couple(pump, &taken);
    while ((pkt = rn_pktq_pop(&taken)) != NULL)
        (void)rn_gso_conform(pump->device, pkt, &pump->held); /* what fails is dropped there */
}

void rn_pump_write(struct rn_pump *pump)
{
    uint64_t n_bytes = 0;
    unsigned n_pkts = 0;

    while (pump->may_write) {
        int n;

        if (n_pkts >= RN_DEVICE_TURN_PKTS || n_bytes >= RN_DEVICE_TURN_BYTES) {
            schedule(pump); /* whoever reads it comes first */
            return;
        }
        refill(pump);
        if (rn_pktq_is_empty(&pump->held))
            return;
        n_bytes += pump->held.n_bytes;
        count_sent(pump, pump->held.n_bytes);
        n = pump->device->ops->write_batch(pump->device, &pump->held);
        if (n < 0) {
            rn_pktq_drop_all(&pump->held, RN_DROP_CLOSED);
            return;
        }
        n_pkts += (unsigned)n;
        if (!rn_pktq_is_empty(&pump->held))
            pump->may_write = false; /* until RN_DEV_WRITABLE */
    }
}

int rn_nic_start(struct rn_nic *nic)
{
    struct rn_pump *pump;

    if (nic->pump != NULL)
        return RN_E_ALREADY_BOUND;
    pump = rn_alloc_new(nic->stack->alloc, sizeof(*pump));
    if (pump == NULL)
        return RN_E_NOMEM;
    rn_pump_init(pump, nic);
    nic->owns_pump = true;
    return RN_OK;
}

void rn_pump_free(struct rn_pump *pump)
{
    const struct rn_alloc *alloc = pump->nic->stack->alloc;

    rn_pump_fini(pump);
    rn_alloc_free(alloc, pump, sizeof(*pump));
}
