/*
 * A machine of ours on a real interface: opens the device in the present network namespace and answers echo requests and
 * address resolution until it is killed. For device.py.
 *
 *     device_probe tun|tap|packet|group|ring|xdp INTERFACE MTU
 */
#include "io/packet_device.h"
#include "ip/ip.h"
#include "stack/stack.h"

#include <runnel/err.h>
#include <runnel/loop.h>
#include <runnel/nic.h>
#include <runnel/tun.h>
#include <runnel/xdp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rn_protos protos = { .l3 = { &rn_ipv4_ops, &rn_ipv6_ops },
                                         .l4 = { &rn_icmp4_ops, &rn_icmp6_ops } };

/* Locally administered, and not the interface's own. */
static const struct rn_mac mac = { { 0x02, 0, 0, 0, 0, 0x07 } };

static int open_device(struct rn_device **ret, struct rn_turn *turn, char **argv)
{
    const uint32_t mtu = (uint32_t)strtoul(argv[3], NULL, 10);
    const struct rn_tun_opts tun = {
        .name = argv[2], .mtu = mtu, .mac = mac, .is_tap = strcmp(argv[1], "tap") == 0
    };
    struct rn_packet_opts packet = { .name = argv[2], .mtu = mtu, .mac = mac };

    if (strcmp(argv[1], "xdp") == 0)
        return rn_xdp_open(ret, turn, &(struct rn_xdp_opts){ .name = argv[2], .mac = mac });
    if (strcmp(argv[1], "ring") == 0)
        return rn_packet_ring_open(ret, turn, &packet);
    if (strcmp(argv[1], "group") == 0) {
        packet.n_sockets = 8;
        packet.queue_bytes = 32 << 10; /* a frame of 64 KiB each */
        return rn_packet_open(ret, turn, &packet);
    }
    if (strcmp(argv[1], "packet") == 0)
        return rn_packet_open(ret, turn, &packet);
    return rn_tun_open(ret, turn, &tun);
}

static int add_addr(struct rn_nic *nic, const char *text, unsigned bits)
{
    struct rn_addr addr;
    int err = rn_addr_parse(text, &addr);

    return err < 0 ? err : rn_nic_add_addr(nic, addr, bits);
}

static int serve(struct rn_loop *loop, struct rn_device *dev)
{
    const struct rn_stack_opts so = { .protos = &protos, .is_test = true };
    struct rn_attachment *attachment = NULL;
    struct rn_stack *stack = NULL;
    struct rn_nic *nic = NULL;
    int err = rn_stack_new(&stack, rn_loop_turn(loop), &so);

    if (err >= 0)
        err = rn_nic_new(&nic, stack, dev, &(struct rn_nic_opts){ .flags = RN_NIC_NO_DAD });
    if (err >= 0)
        err = add_addr(nic, "198.51.100.2", 24);
    if (err >= 0)
        err = add_addr(nic, "2001:db8:1::2", 64);
    if (err >= 0)
        err = rn_nic_attach(&attachment, nic, loop);
    if (err >= 0) {
        printf("ready %s caps %x\n", dev->name, dev->caps);
        fflush(stdout);
        err = rn_loop_run(loop);
    }
    rn_nic_detach(attachment);
    rn_stack_free(stack);
    return err;
}

int main(int argc, char **argv)
{
    struct rn_device *dev = NULL;
    struct rn_loop *loop = NULL;
    int err;

    if (argc != 4)
        return 2;
    err = rn_loop_new(&loop, NULL);
    if (err >= 0)
        err = open_device(&dev, rn_loop_turn(loop), argv);
    if (err >= 0)
        err = serve(loop, dev);
    if (err < 0)
        fprintf(stderr, "device_probe: %s: %s (%d)\n", argv[2], rn_err_text(err), err);
    rn_device_free(dev);
    rn_loop_free(loop);
    return err < 0;
}
