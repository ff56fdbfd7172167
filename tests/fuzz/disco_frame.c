/* Frames of a dump one by one, on a small machine: every parser of the viewer is a few bytes away (netlink tables, nft
 * expressions, iptables blobs, /proc, files of tenants, engines' JSON, OCI configurations). The input is frames with a
 * shorter head: type, table, length as two bytes. What comes is also redacted, and that must be readable again. */
#include "discovery/phases.h"
#include "discovery/redact.h"
#include "discovery/scan.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_NETNS    2u
#define FIRST_PID  40u
#define SMALL_HEAD 4u

static void put_netns(struct rn_dump_writer *w, uint32_t seq)
{
    rn_dump_begin(w, RN_DUMP_NETNS, 0);
    rn_dump_u32(w, seq);
    rn_dump_u64(w, 4);
    rn_dump_u64(w, 1000 + seq);
    rn_dump_end(w);
}

/* One in each namespace; the second is a container's. */
static void put_process(struct rn_dump_writer *w, uint32_t seq)
{
    rn_dump_begin(w, RN_DUMP_PROCESS, 0);
    rn_dump_u32(w, FIRST_PID + seq);
    rn_dump_u64(w, 4);
    rn_dump_u64(w, 1000 + seq);
    for (uint64_t i = 1; i < 5; i++)
        rn_dump_u64(w, i * 100 + seq);
    rn_dump_u32(w, 0);
    rn_dump_str(w, "41 (sh) S 1 41 41 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 99 0 0");
    rn_dump_str(w, seq == 0 ? "0::/\n"
                            : "0::/system.slice/docker-"
                              "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                              ".scope\n");
    rn_dump_str(w, "sh");
    rn_dump_end(w);
}

static void put_visit(struct rn_dump_writer *w, uint32_t seq)
{
    rn_dump_begin(w, RN_DUMP_VISIT, 0);
    rn_dump_u32(w, seq);
    rn_dump_u64(w, 7 + seq);
    rn_dump_u32(w, 0);
    rn_dump_u64(w, 9);
    rn_dump_end(w);
}

static void put_machine(struct rn_dump_writer *w)
{
    rn_dump_header(w);
    for (uint32_t i = 0; i < N_NETNS; i++)
        put_process(w, i);
    for (uint32_t i = 0; i < N_NETNS; i++)
        put_netns(w, i);
    put_visit(w, 0);
}

static void put_input(struct rn_dump_writer *w, struct rn_view in)
{
    while (in.len >= SMALL_HEAD) {
        size_t len = rn_min_size(rn_get_be16(in.ptr + 2), in.len - SMALL_HEAD);

        rn_dump_begin(w, (enum rn_dump_type)in.ptr[0], in.ptr[1]);
        rn_dump_bytes(w, rn_view_of(in.ptr + SMALL_HEAD, len));
        rn_dump_end(w);
        in = rn_view_of(in.ptr + SMALL_HEAD + len, in.len - SMALL_HEAD - len);
    }
    rn_dump_begin(w, RN_DUMP_END, 0);
    rn_dump_end(w);
}

static void check_readable(struct rn_view stream)
{
    struct rn_map *map;

    if (rn_scan_view(stream, &map) < 0)
        abort();
    rn_model_free(map);
}

/* As a saved picture is made. */
static void redact(struct rn_view stream, int fd)
{
    struct rn_dump_reader reader;
    struct rn_redact r;
    struct rn_load load;
    struct rn_map *map;

    if (rn_redact_init(&r, fd) < 0 || rn_model_new(&map) < 0)
        abort();
    rn_dump_reader_init_view(&reader, stream);
    rn_load_init(&load, map);
    load.redact = &r;
    if (rn_load_stream(&load, &reader) < 0)
        abort();
    rn_join(&load);
    rn_tenants(&load);
    rn_owners(&load);
    rn_portfwd(&load);
    if (rn_redact_finish(&r, &load) < 0)
        abort();
    rn_redact_fini(&r);
    rn_dump_reader_fini(&reader);
    rn_model_free(map);
}

static void check_redacted(struct rn_view stream)
{
    int fd = memfd_create("redacted", MFD_CLOEXEC);
    off_t len;
    void *p;

    if (fd < 0)
        abort();
    redact(stream, fd);
    len = lseek(fd, 0, SEEK_END);
    p = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (len <= 0 || p == MAP_FAILED)
        abort();
    check_readable(rn_view_of(p, (size_t)len));
    munmap(p, (size_t)len);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_dump_writer w;

    if (rn_dump_writer_init(&w, -1) < 0)
        abort();
    put_machine(&w);
    put_input(&w, rn_view_of(data, size));
    if (w.err == RN_OK) {
        check_readable(rn_view_of(w.buf, w.len));
        check_redacted(rn_view_of(w.buf, w.len));
    }
    rn_dump_writer_fini(&w);
    return 0;
}
