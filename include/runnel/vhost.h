#pragma once
/*
 * An Ethernet device whose other end is a virtual machine's virtio-net card, by vhost-user: the machine's memory is shared with this
 * process, packets are copied straight between it and the stack, super-segments and missing checksums pass as they are, and
 * there is no system call per packet. runnel is the back-end; QEMU, or DPDK's virtio-user, is the front-end:
 *
 *   qemu-system-x86_64 ... -object memory-backend-memfd,id=mem,size=1G,share=on -machine memory-backend=mem \
 *       -chardev socket,id=net0,path=/run/user/1000/net0.sock -netdev vhost-user,id=net0,chardev=net0 \
 *       -device virtio-net-pci,netdev=net0
 *
 * One pair of split virtqueues; no live migration (no dirty log), no packed rings. Neither side needs a privilege. (QEMU 7.2 without
 * KVM ends by a fault of its own when the guest uses MSI-X: give the card `vectors=0` there.)
 *
 * The guest need not be trusted: every address, length and index it writes is checked, and what is wrong ends the connection. Its
 * memory must be sealed against shrinking (memory-backend-memfd does so by itself), because memory that is cut short under us
 * would end this process by SIGBUS. The front-end program shares eventfds with us: one that sets out to fill them can hold up
 * the thread of its own device's loop.
 */
#include <runnel/addr.h>
#include <runnel/device.h>

#include <stdint.h>

struct rn_turn;

/* All but mac may be zero. */
struct rn_vhost_opts {
    const char *name;      /* NULL: "vhost" */
    uint32_t mtu;          /* 0: 1500; at most 65535 */
    struct rn_mac mac;     /* of the NIC behind this device, not of the guest's card */
    bool without_offloads; /* offer none: no super-segments, no missing checksums */
    /* Take memory that is not sealed, too (memory-backend-file, huge pages, DPDK): only from a front-end that may
     * as well kill this process. Its size is checked once, when it is handed over. */
    bool may_be_unsealed;
};

/* Connects to the socket @path on which the front-end listens (`-chardev socket,server=on,wait=off`). The device closes when the
 * front-end goes. Returns owned. Errors: NOMEM, BAD_OPTION (path too long, MTU), host. */
RN_PUBLIC RN_MUST_USE int rn_vhost_open(struct rn_device **ret, struct rn_turn *turn,
                                        const char *path, const struct rn_vhost_opts *opts);
/* Listens on @path, which must not exist and is removed with the device. Serves one front-end at a time; when that goes, or is
 * thrown out, the link is down until the next one comes (`-chardev socket,reconnect=1`). Who may connect is what the
 * permissions of the path say. Returns owned. Errors as rn_vhost_open; host EADDRINUSE: @path exists. */
RN_PUBLIC RN_MUST_USE int rn_vhost_listen(struct rn_device **ret, struct rn_turn *turn,
                                          const char *path, const struct rn_vhost_opts *opts);
/* The same as rn_vhost_open over a connected stream socket. Takes @fd over on success only. */
RN_PUBLIC RN_MUST_USE int rn_vhost_from_fd(struct rn_device **ret, struct rn_turn *turn, int fd,
                                           const struct rn_vhost_opts *opts);

struct rn_vhost_info {
    uint32_t n_fronts; /* front-ends so far, the present one included */
    bool is_connected;
    bool
        is_up; /* both rings run: packets pass. Else what is written is dropped, as by a card without a cable */
    uint64_t features; /* feature bits that the front-end took (VIRTIO 1.2 §5.1.3, §6) */
    /* Why the last front-end was thrown out: static text, such as "descriptor points outside of the memory". NULL: it was not. */
    const char *error;
};

/* As it is now. @device must be one of this header. */
RN_PUBLIC void rn_vhost_get_info(const struct rn_device *device, struct rn_vhost_info *ret);
