/* WireGuard interfaces of the namespace we are in. Their existence shows that the kernel's part is loaded, so asking
 * loads nothing. The kernel's answer holds the private key: it goes no further than here. */
#include "discovery/read_netns.h"

#include "discovery/wireguard.h"

#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <stdlib.h>

static int take_family(const struct nlmsghdr *head, void *arg)
{
    uint16_t *family = arg;
    struct rn_view payload =
        rn_view_of((const uint8_t *)head + NLMSG_HDRLEN, head->nlmsg_len - NLMSG_HDRLEN);
    struct rn_view tb[CTRL_ATTR_FAMILY_ID + 1];
    struct rn_view genl;

    if (head->nlmsg_type == GENL_ID_CTRL && rn_nlmsg_take_header(&payload, GENL_HDRLEN, &genl)) {
        rn_nlattr_table(payload, tb, CTRL_ATTR_FAMILY_ID);
        *family = rn_nl_u16(tb[CTRL_ATTR_FAMILY_ID]);
    }
    return RN_OK;
}

static int find_family(struct rn_nl *nl, uint16_t *ret)
{
    struct rn_nl_msg msg;
    struct genlmsghdr *genl = rn_nl_msg_begin(&msg, GENL_ID_CTRL, 0, sizeof(*genl));
    uint16_t family = 0;
    int err;

    genl->cmd = CTRL_CMD_GETFAMILY;
    genl->version = 1;
    rn_nl_put_str(&msg, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
    err = rn_nl_ask(nl, &msg, take_family, &family);
    if (err < 0)
        return err;
    *ret = family;
    return family != 0 ? RN_OK : RN_E_NOT_FOUND;
}

static int tell(struct rn_view bytes, void *arg)
{
    struct rn_visit *v = arg;
    uint8_t *copy = malloc(bytes.len + 1);

    if (copy == NULL)
        return RN_E_NOMEM;
    memcpy(copy, bytes.ptr, bytes.len);
    rn_wireguard_scrub(copy, bytes.len);
    rn_dump_begin(&v->b->out, RN_DUMP_NETLINK, RN_TABLE_WIREGUARD);
    rn_dump_bytes(&v->b->out, rn_view_of(copy, bytes.len));
    rn_dump_end(&v->b->out);
    free(copy);
    rn_progress_beat(v->b);
    return RN_OK;
}

static int ask_device(struct rn_visit *v, struct rn_nl *nl, uint16_t family, uint32_t index)
{
    const struct rn_nl_raw_sink sink = { .datagram = tell, .arg = v };
    struct rn_nl_msg msg;
    struct genlmsghdr *genl = rn_nl_msg_begin(&msg, family, 0, sizeof(*genl));

    genl->cmd = WG_CMD_GET_DEVICE;
    genl->version = WG_GENL_VERSION;
    rn_nl_put_u32(&msg, WGDEVICE_A_IFINDEX, index);
    return rn_nl_dump_raw(nl, &msg, &sink);
}

void rn_visit_wireguards(struct rn_visit *v)
{
    struct rn_nl nl = { 0 };
    uint16_t family = 0;
    int err = rn_nl_open(&nl, NETLINK_GENERIC);

    if (err == RN_OK)
        err = find_family(&nl, &family);
    for (unsigned i = 0; err == RN_OK && i < v->n_wireguards; i++)
        err = ask_device(v, &nl, family, v->wireguards[i]);
    if (err < 0)
        rn_visit_note(v, "wireguard", err, "CAP_NET_ADMIN");
    rn_nl_close(&nl);
}
