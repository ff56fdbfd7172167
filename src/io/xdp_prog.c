#include "io/xdp_prog.h"

#include "base/bytes.h"
#include <runnel/err.h>

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define QUEUES_MAX 64u

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
    long n = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

    return n < 0 ? rn_err_from_errno(errno) : (int)n;
}

static uint64_t as_u64(const void *ptr)
{
    return (uint64_t)(uintptr_t)ptr;
}

static int make_map(void)
{
    union bpf_attr attr = { .map_type = BPF_MAP_TYPE_XSKMAP,
                            .key_size = sizeof(uint32_t),
                            .value_size = sizeof(uint32_t),
                            .max_entries = QUEUES_MAX };

    return bpf(BPF_MAP_CREATE, &attr);
}

/* return bpf_redirect_map(&map, ctx->rx_queue_index, XDP_PASS); the last is for queues without a socket (Linux 5.3). */
static int load(int map)
{
    const struct bpf_insn code[] = {
        { .code = BPF_LDX | BPF_MEM | BPF_W,
          .dst_reg = BPF_REG_2,
          .src_reg = BPF_REG_1,
          .off = offsetof(struct xdp_md, rx_queue_index) },
        { .code = BPF_LD | BPF_IMM | BPF_DW,
          .dst_reg = BPF_REG_1,
          .src_reg = BPF_PSEUDO_MAP_FD,
          .imm = map },
        { .code = 0 }, /* upper half of the 64-bit constant */
        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS },
        { .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
        { .code = BPF_JMP | BPF_EXIT },
    };
    union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_XDP,
                            .insns = as_u64(code),
                            .insn_cnt = RN_ARRAY_LEN(code),
                            .license = as_u64("MIT"),
                            .prog_name = "runnel_xsk" };

    return bpf(BPF_PROG_LOAD, &attr);
}

/* The driver runs it if it can, the kernel's stack otherwise. */
static int attach(int prog, uint32_t ifindex, int is_generic)
{
    union bpf_attr attr = { .link_create = { .prog_fd = (uint32_t)prog,
                                             .target_ifindex = ifindex,
                                             .attach_type = BPF_XDP } };
    int link;

    if (!is_generic) {
        link = bpf(BPF_LINK_CREATE, &attr);
        if (link >= 0 || link == rn_err_from_errno(EBUSY) || link == rn_err_from_errno(EPERM))
            return link;
    }
    attr.link_create.flags = XDP_FLAGS_SKB_MODE;
    return bpf(BPF_LINK_CREATE, &attr);
}

int rn_xdp_prog_attach(struct rn_xdp_prog *prog, uint32_t ifindex, int is_generic)
{
    *prog = (struct rn_xdp_prog)RN_XDP_PROG_NONE;
    prog->map = make_map();
    if (prog->map < 0)
        return prog->map;
    prog->prog = load(prog->map);
    if (prog->prog < 0)
        return prog->prog;
    prog->link = attach(prog->prog, ifindex, is_generic);
    return prog->link < 0 ? prog->link : RN_OK;
}

int rn_xdp_prog_redirect(const struct rn_xdp_prog *prog, uint32_t queue, int fd)
{
    union bpf_attr attr = {
        .map_fd = (uint32_t)prog->map, .key = as_u64(&queue), .value = as_u64(&fd), .flags = BPF_ANY
    };
    int err = bpf(BPF_MAP_UPDATE_ELEM, &attr);

    return err < 0 ? err : RN_OK;
}

void rn_xdp_prog_fini(struct rn_xdp_prog *prog)
{
    const int fds[] = { prog->link, prog->prog, prog->map };

    for (size_t i = 0; i < RN_ARRAY_LEN(fds); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    *prog = (struct rn_xdp_prog)RN_XDP_PROG_NONE;
}
