#include "host/nft.h"

#include "host/proc.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

void rn_nft_ask(struct rn_nl_msg *msg, unsigned nft_msg, const struct rn_nft_name *table)
{
    struct nfgenmsg *head =
        rn_nl_msg_begin(msg, NFNL_SUBSYS_NFTABLES << 8 | nft_msg, 0, sizeof(*head));

    head->version = NFNETLINK_V0;
    if (table == NULL)
        return;
    head->nfgen_family = table->family;
    /* NFTA_RULE_TABLE, NFTA_SET_TABLE and NFTA_CHAIN_TABLE are all 1. The view has no NUL, the kernel wants none. */
    rn_nl_put(msg, NFTA_RULE_TABLE, table->table.ptr, table->table.len);
}

void rn_nft_ask_elements(struct rn_nl_msg *msg, const struct rn_nft_name *set)
{
    struct nfgenmsg *head =
        rn_nl_msg_begin(msg, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, 0, sizeof(*head));

    head->version = NFNETLINK_V0;
    head->nfgen_family = set->family;
    rn_nl_put(msg, NFTA_SET_ELEM_LIST_TABLE, set->table.ptr, set->table.len);
    rn_nl_put(msg, NFTA_SET_ELEM_LIST_SET, set->name.ptr, set->name.len);
}

static bool take_head(struct rn_view *payload, uint8_t *ret_family)
{
    struct rn_view head;

    if (!rn_nlmsg_take_header(payload, sizeof(struct nfgenmsg), &head))
        return false;
    *ret_family = rn_nl_u8_at(head, offsetof(struct nfgenmsg, nfgen_family));
    return true;
}

int rn_nft_chain_parse(struct rn_view payload, struct rn_nft_chain *ret)
{
    struct rn_view tb[NFTA_CHAIN_MAX + 1];
    struct rn_view hook[NFTA_HOOK_MAX + 1];
    struct rn_nft_chain c = { 0 };

    if (!take_head(&payload, &c.id.family))
        return RN_E_MALFORMED;
    rn_nlattr_table(payload, tb, NFTA_CHAIN_MAX);
    c.id.table = rn_nl_str(tb[NFTA_CHAIN_TABLE]);
    c.id.name = rn_nl_str(tb[NFTA_CHAIN_NAME]);
    c.type = rn_nl_str(tb[NFTA_CHAIN_TYPE]);
    c.is_base = rn_nl_has(tb[NFTA_CHAIN_HOOK]);
    if (c.is_base) {
        rn_nlattr_table(tb[NFTA_CHAIN_HOOK], hook, NFTA_HOOK_MAX);
        c.hook = rn_nl_be32(hook[NFTA_HOOK_HOOKNUM]);
        c.priority = (int32_t)rn_nl_be32(hook[NFTA_HOOK_PRIORITY]);
        c.dev = rn_nl_str(hook[NFTA_HOOK_DEV]);
        c.devs = hook[NFTA_HOOK_DEVS];
        c.is_drop_policy =
            rn_nl_has(tb[NFTA_CHAIN_POLICY]) && rn_nl_be32(tb[NFTA_CHAIN_POLICY]) == NF_DROP;
    }
    *ret = c;
    return RN_OK;
}

/* Since Linux 6.16 also what all names begin with; older headers lack its number. */
#define DEVICE_PREFIX 2u

bool rn_nft_chain_has_device(const struct rn_nft_chain *chain, const char *name)
{
    struct rn_view rest = chain->devs;
    struct rn_nlattr a;

    if (chain->dev.len != 0 && rn_view_is(chain->dev, name))
        return true;
    while (rn_nlattr_next(&rest, &a)) {
        struct rn_view wanted = rn_nl_str(a.value);

        if (a.type == DEVICE_PREFIX
                ? strlen(name) >= wanted.len && memcmp(name, wanted.ptr, wanted.len) == 0
                : rn_view_is(wanted, name))
            return true;
    }
    return false;
}

int rn_nft_rule_parse(struct rn_view payload, struct rn_nft_rule *ret)
{
    struct rn_view tb[NFTA_RULE_MAX + 1];
    struct rn_nft_rule r = { 0 };

    if (!take_head(&payload, &r.id.family))
        return RN_E_MALFORMED;
    rn_nlattr_table(payload, tb, NFTA_RULE_MAX);
    r.id.table = rn_nl_str(tb[NFTA_RULE_TABLE]);
    r.id.name = rn_nl_str(tb[NFTA_RULE_CHAIN]);
    r.handle = rn_nl_be64(tb[NFTA_RULE_HANDLE]);
    r.exprs = tb[NFTA_RULE_EXPRESSIONS];
    r.userdata = tb[NFTA_RULE_USERDATA];
    *ret = r;
    return RN_OK;
}

int rn_nft_set_parse(struct rn_view payload, struct rn_nft_set *ret)
{
    struct rn_view tb[NFTA_SET_MAX + 1];
    struct rn_nft_set s = { 0 };

    if (!take_head(&payload, &s.id.family))
        return RN_E_MALFORMED;
    rn_nlattr_table(payload, tb, NFTA_SET_MAX);
    s.id.table = rn_nl_str(tb[NFTA_SET_TABLE]);
    s.id.name = rn_nl_str(tb[NFTA_SET_NAME]);
    s.set_id = rn_nl_be32(tb[NFTA_SET_ID]);
    s.flags = rn_nl_be32(tb[NFTA_SET_FLAGS]);
    s.key_type = rn_nl_be32(tb[NFTA_SET_KEY_TYPE]);
    s.key_len = rn_nl_be32(tb[NFTA_SET_KEY_LEN]);
    s.data_type = rn_nl_be32(tb[NFTA_SET_DATA_TYPE]);
    s.data_len = rn_nl_be32(tb[NFTA_SET_DATA_LEN]);
    *ret = s;
    return RN_OK;
}

int rn_nft_elems_parse(struct rn_view payload, struct rn_nft_name *ret, struct rn_view *ret_elems)
{
    struct rn_view tb[NFTA_SET_ELEM_LIST_MAX + 1];
    struct rn_nft_name id = { 0 };

    if (!take_head(&payload, &id.family))
        return RN_E_MALFORMED;
    rn_nlattr_table(payload, tb, NFTA_SET_ELEM_LIST_MAX);
    id.table = rn_nl_str(tb[NFTA_SET_ELEM_LIST_TABLE]);
    id.name = rn_nl_str(tb[NFTA_SET_ELEM_LIST_SET]);
    *ret = id;
    *ret_elems = tb[NFTA_SET_ELEM_LIST_ELEMENTS];
    return RN_OK;
}

static void read_data(struct rn_view nest, struct rn_nft_elem *e)
{
    struct rn_view tb[NFTA_DATA_MAX + 1];
    struct rn_view verdict[NFTA_VERDICT_MAX + 1];

    rn_nlattr_table(nest, tb, NFTA_DATA_MAX);
    e->data = tb[NFTA_DATA_VALUE];
    e->has_verdict = rn_nl_has(tb[NFTA_DATA_VERDICT]);
    if (!e->has_verdict)
        return;
    rn_nlattr_table(tb[NFTA_DATA_VERDICT], verdict, NFTA_VERDICT_MAX);
    e->verdict = (int32_t)rn_nl_be32(verdict[NFTA_VERDICT_CODE]);
    e->chain = rn_nl_str(verdict[NFTA_VERDICT_CHAIN]);
}

static struct rn_view data_value(struct rn_view nest)
{
    struct rn_view tb[NFTA_DATA_MAX + 1];

    rn_nlattr_table(nest, tb, NFTA_DATA_MAX);
    return tb[NFTA_DATA_VALUE];
}

bool rn_nft_elem_next(struct rn_view *elems, struct rn_nft_elem *ret)
{
    struct rn_view tb[NFTA_SET_ELEM_MAX + 1];
    struct rn_nlattr a;

    if (!rn_nlattr_next(elems, &a))
        return false;
    *ret = (struct rn_nft_elem){ 0 };
    rn_nlattr_table(a.value, tb, NFTA_SET_ELEM_MAX);
    ret->key = data_value(tb[NFTA_SET_ELEM_KEY]);
    ret->key_end = data_value(tb[NFTA_SET_ELEM_KEY_END]);
    ret->flags = rn_nl_be32(tb[NFTA_SET_ELEM_FLAGS]);
    if (rn_nl_has(tb[NFTA_SET_ELEM_DATA]))
        read_data(tb[NFTA_SET_ELEM_DATA], ret);
    return true;
}
