/* Text of addresses, prefixes and endpoints: what parses is printed, and what is printed parses to the same value. */
#include <runnel/addr.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_addr(const char *text)
{
    char printed[RN_ADDR_TEXT_BYTES];
    struct rn_addr addr;
    struct rn_addr again;

    if (rn_addr_parse(text, &addr) < 0 || rn_addr_is_none(addr))
        return;
    if (rn_addr_parse(rn_addr_print(addr, printed), &again) < 0 || !rn_addr_eq(addr, again))
        abort();
}

static void check_prefix(const char *text)
{
    char printed[RN_PREFIX_TEXT_BYTES];
    struct rn_prefix prefix;
    struct rn_prefix again;

    if (rn_prefix_parse(text, &prefix) < 0)
        return;
    if (rn_prefix_parse(rn_prefix_print(&prefix, printed), &again) < 0 ||
        !rn_prefix_eq(&prefix, &again))
        abort();
}

static void check_endpoint(const char *text)
{
    char printed[RN_ENDPOINT_TEXT_BYTES];
    struct rn_endpoint endpoint;
    struct rn_endpoint again;

    if (rn_endpoint_parse(text, &endpoint) < 0)
        return;
    if (rn_endpoint_parse(rn_endpoint_print(&endpoint, printed), &again) < 0 ||
        again.port != endpoint.port || !rn_addr_eq(endpoint.addr, again.addr))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[128];

    if (size >= sizeof text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    check_addr(text);
    check_prefix(text);
    check_endpoint(text);
    return 0;
}
