#include "discovery/xt_blob.h"

#include "discovery/model_sock.h"
#include "host/nlattr.h"

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

/* xt_entry_match and _target: size u16, name[29], revision u8, then the info. */
#define XT_HEADER_BYTES 32u
#define XT_NAME_BYTES   29u

static const struct rn_xt_layout layouts[] = {
    { .family = RN_FAMILY_V4,
      .goto_flag = IPT_F_GOTO,
      .entry_bytes = sizeof(struct ipt_entry),
      .target_at = offsetof(struct ipt_entry, target_offset),
      .next_at = offsetof(struct ipt_entry, next_offset),
      .src_at = offsetof(struct ipt_ip, src),
      .src_mask_at = offsetof(struct ipt_ip, smsk),
      .dst_at = offsetof(struct ipt_ip, dst),
      .dst_mask_at = offsetof(struct ipt_ip, dmsk),
      .iif_at = offsetof(struct ipt_ip, iniface),
      .iif_mask_at = offsetof(struct ipt_ip, iniface_mask),
      .oif_at = offsetof(struct ipt_ip, outiface),
      .oif_mask_at = offsetof(struct ipt_ip, outiface_mask),
      .proto_at = offsetof(struct ipt_ip, proto),
      .flags_at = offsetof(struct ipt_ip, flags),
      .inv_at = offsetof(struct ipt_ip, invflags) },
    { .family = RN_FAMILY_V6,
      .goto_flag = IP6T_F_GOTO,
      .entry_bytes = sizeof(struct ip6t_entry),
      .target_at = offsetof(struct ip6t_entry, target_offset),
      .next_at = offsetof(struct ip6t_entry, next_offset),
      .src_at = offsetof(struct ip6t_ip6, src),
      .src_mask_at = offsetof(struct ip6t_ip6, smsk),
      .dst_at = offsetof(struct ip6t_ip6, dst),
      .dst_mask_at = offsetof(struct ip6t_ip6, dmsk),
      .iif_at = offsetof(struct ip6t_ip6, iniface),
      .iif_mask_at = offsetof(struct ip6t_ip6, iniface_mask),
      .oif_at = offsetof(struct ip6t_ip6, outiface),
      .oif_mask_at = offsetof(struct ip6t_ip6, outiface_mask),
      .proto_at = offsetof(struct ip6t_ip6, proto),
      .flags_at = offsetof(struct ip6t_ip6, flags),
      .inv_at = offsetof(struct ip6t_ip6, invflags) },
};

const struct rn_xt_layout *rn_xt_layout_of(uint8_t family)
{
    return &layouts[family == RN_FAMILY_V4 ? 0 : 1];
}

bool rn_xt_entry_at(const struct rn_xt_layout *layout, struct rn_view table, size_t offset,
                    struct rn_view *ret)
{
    struct rn_view e;
    size_t target;
    size_t next;

    if (offset > table.len || table.len - offset < layout->entry_bytes)
        return false;
    e = rn_view_of(table.ptr + offset, table.len - offset);
    next = rn_nl_u16_at(e, layout->next_at);
    target = rn_nl_u16_at(e, layout->target_at);
    if (next < layout->entry_bytes || next > e.len || target < layout->entry_bytes || target > next)
        return false;
    *ret = rn_view_of(e.ptr, next);
    return true;
}

struct rn_view rn_xt_matches(const struct rn_xt_layout *layout, struct rn_view entry)
{
    size_t target = rn_nl_u16_at(entry, layout->target_at);

    return rn_view_of(entry.ptr + layout->entry_bytes, target - layout->entry_bytes);
}

bool rn_xt_target(const struct rn_xt_layout *layout, struct rn_view entry, struct rn_xt_ext *ret)
{
    size_t target = rn_nl_u16_at(entry, layout->target_at);
    struct rn_view rest = rn_view_of(entry.ptr + target, entry.len - target);

    return rn_xt_ext_next(&rest, ret);
}

bool rn_xt_ext_next(struct rn_view *rest, struct rn_xt_ext *ret)
{
    size_t len = rn_nl_u16_at(*rest, 0);

    if (len < XT_HEADER_BYTES || len > rest->len)
        return false;
    ret->name = rn_nl_str(rn_view_of(rest->ptr + 2, XT_NAME_BYTES));
    ret->revision = rn_nl_u8_at(*rest, XT_HEADER_BYTES - 1);
    ret->info = rn_view_of(rest->ptr + XT_HEADER_BYTES, len - XT_HEADER_BYTES);
    *rest = rn_view_of(rest->ptr + len, rest->len - len);
    return true;
}
