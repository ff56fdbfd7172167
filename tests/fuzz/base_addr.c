/* Text of users and configuration: addresses, endpoints, prefixes, MACs. What is accepted must survive its printer. */
#include "base/bytes.h"

#include <runnel/addr.h>
#include <runnel/err.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_addr(const char *text)
{
    char buf[RN_ADDR_TEXT_BYTES];
    struct rn_addr a;
    struct rn_addr again;

    if (rn_addr_parse(text, &a) < 0 || rn_addr_is_none(a))
        return;
    rn_assert(rn_addr_parse(rn_addr_print(a, buf), &again) == RN_OK);
    rn_assert(rn_addr_eq(a, again));
}

static void check_endpoint(const char *text)
{
    char buf[RN_ENDPOINT_TEXT_BYTES];
    struct rn_endpoint e;
    struct rn_endpoint again;

    if (rn_endpoint_parse(text, &e) < 0)
        return;
    rn_assert(rn_endpoint_parse(rn_endpoint_print(&e, buf), &again) == RN_OK);
    rn_assert(rn_addr_eq(e.addr, again.addr) && e.port == again.port && e.nic == again.nic);
}

static void check_prefix(const char *text)
{
    char buf[RN_PREFIX_TEXT_BYTES];
    struct rn_prefix p;
    struct rn_prefix again;

    if (rn_prefix_parse(text, &p) < 0)
        return;
    rn_assert(rn_prefix_parse(rn_prefix_print(&p, buf), &again) == RN_OK);
    rn_assert(rn_prefix_eq(&p, &again));
    rn_assert(rn_prefix_contains(&p, p.addr));
    rn_assert(rn_prefix_contains(&p, rn_prefix_last(&p)) ||
              rn_addr_is_v4(rn_prefix_last(&p)) != p.is_v4); /* ::/80 ends in a mapped address */
}

static void check_mac(const char *text)
{
    char buf[RN_MAC_TEXT_BYTES];
    struct rn_mac mac;
    struct rn_mac again;

    if (rn_mac_parse(text, &mac) < 0)
        return;
    rn_assert(rn_mac_parse(rn_mac_print(mac, buf), &again) == RN_OK);
    rn_assert(memcmp(&mac, &again, sizeof(mac)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[128];

    if (size >= sizeof(text))
        return 0;
    if (size != 0)
        memcpy(text, data, size);
    text[size] = '\0';
    check_addr(text);
    check_endpoint(text);
    check_prefix(text);
    check_mac(text);
    return 0;
}
