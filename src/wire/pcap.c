#include "wire/pcap.h"

#include <runnel/err.h>

#define MAGIC_US      0xa1b2c3d4u
#define MAGIC_NS      0xa1b23c4du
#define MAGIC_US_SWAP 0xd4c3b2a1u
#define MAGIC_NS_SWAP 0x4d3cb2a1u
#define LINK_MASK     0xffffu /* above it: FCS length and flags */

enum { VERSION_MAJOR = 2, VERSION_MINOR = 4 };

int rn_pcap_file_parse(struct rn_pcap_file *ret, struct rn_reader *r)
{
    struct rn_pcap_file f;
    uint32_t magic = rn_read_le32(r);
    uint16_t major = rn_read_le16(r);

    (void)rn_read_le16(r); /* minor version */
    (void)rn_read_be64(r); /* time zone and accuracy: zero everywhere */
    f.snap_len = rn_read_le32(r);
    f.link = (uint16_t)(rn_read_le32(r) & LINK_MASK);
    f.is_ns = magic == MAGIC_NS;
    if (r->short_read)
        return RN_E_MALFORMED;
    if (magic == MAGIC_US_SWAP || magic == MAGIC_NS_SWAP)
        return RN_E_NOT_SUPPORTED;
    if ((magic != MAGIC_US && magic != MAGIC_NS) || major != VERSION_MAJOR)
        return RN_E_MALFORMED;

    *ret = f;
    return RN_OK;
}

void rn_pcap_file_emit(const struct rn_pcap_file *file, struct rn_writer *w)
{
    rn_write_le32(w, file->is_ns ? MAGIC_NS : MAGIC_US);
    rn_write_le16(w, VERSION_MAJOR);
    rn_write_le16(w, VERSION_MINOR);
    rn_write_be64(w, 0);
    rn_write_le32(w, file->snap_len);
    rn_write_le32(w, file->link);
}

static int64_t unit_ns(const struct rn_pcap_file *file)
{
    return file->is_ns ? 1 : RN_NS_PER_US;
}

int rn_pcap_record_next(struct rn_pcap_record *ret, struct rn_view *ret_bytes,
                        const struct rn_pcap_file *file, struct rn_reader *r)
{
    struct rn_pcap_record rec;
    struct rn_view bytes;
    uint32_t seconds;
    uint32_t units;

    if (r->rest.len == 0 && !r->short_read)
        return 0;
    seconds = rn_read_le32(r);
    units = rn_read_le32(r);
    rec.captured = rn_read_le32(r);
    rec.original = rn_read_le32(r);
    rec.time_ns = seconds * RN_NS_PER_S + units * unit_ns(file);
    bytes = rn_read_view(r, rec.captured);
    if (r->short_read || rec.captured > RN_PCAP_SNAP_MAX)
        return RN_E_MALFORMED;

    *ret = rec;
    *ret_bytes = bytes;
    return 1;
}

void rn_pcap_record_emit(const struct rn_pcap_record *record, const struct rn_pcap_file *file,
                         struct rn_writer *w)
{
    rn_write_le32(w, (uint32_t)(record->time_ns / RN_NS_PER_S));
    rn_write_le32(w, (uint32_t)(record->time_ns % RN_NS_PER_S / unit_ns(file)));
    rn_write_le32(w, record->captured);
    rn_write_le32(w, record->original);
}
