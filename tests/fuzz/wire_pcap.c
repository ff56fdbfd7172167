/* Capture files of both formats: walked to their end; records and packets say the same when written again. */
#include "wire/pcap.h"
#include "wire/pcapng.h"
#include <runnel/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_old(struct rn_view bytes)
{
    struct rn_reader r = rn_reader_of(bytes);
    struct rn_pcap_file file;
    struct rn_pcap_record record;
    struct rn_view data;
    size_t left;

    if (rn_pcap_file_parse(&file, &r) < 0)
        return;
    left = r.rest.len;
    while (rn_pcap_record_next(&record, &data, &file, &r) > 0) {
        if (r.rest.len >= left || data.len != record.captured)
            abort();
        left = r.rest.len;
    }
}

static void check_packet(struct rn_view body, uint8_t ts_digits)
{
    static uint8_t out[RN_PCAP_SNAP_MAX + 2 * RN_PCAPNG_BLOCK_MAX_BYTES];
    struct rn_writer w = rn_writer_of(out, sizeof out);
    struct rn_pcapng_packet packet;
    struct rn_pcapng_packet again;
    struct rn_pcapng_block block;
    struct rn_view data;
    struct rn_reader r;

    if (rn_pcapng_packet_parse(&packet, &data, body, ts_digits) < 0)
        return;
    rn_pcapng_packet_head_emit(&packet, &w);
    rn_write_bytes(&w, data.ptr, data.len);
    rn_pcapng_packet_tail_emit(&packet, &w);
    r = rn_reader_of(rn_view_of(out, w.len));
    if (w.overflow || rn_pcapng_next(&block, &r) != 1 || r.rest.len != 0)
        abort();
    if (rn_pcapng_packet_parse(&again, &data, block.body, 9) < 0 ||
        again.time_ns != packet.time_ns || again.captured != packet.captured ||
        again.direction != packet.direction)
        abort();
}

static void check_new(struct rn_view bytes)
{
    struct rn_reader r = rn_reader_of(bytes);
    struct rn_pcapng_interface interface = { .ts_digits = 6 };
    struct rn_pcapng_block block;
    size_t left = bytes.len;

    while (rn_pcapng_next(&block, &r) > 0) {
        if (r.rest.len >= left || block.body.len > left)
            abort();
        left = r.rest.len;
        if (block.type == RN_PCAPNG_INTERFACE &&
            rn_pcapng_interface_parse(&interface, block.body) < 0)
            continue;
        if (block.type == RN_PCAPNG_PACKET)
            check_packet(block.body, interface.ts_digits);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_old(rn_view_of(data, size));
    check_new(rn_view_of(data, size));
    return 0;
}
