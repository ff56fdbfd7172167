#include "cli/publish.h"

#include <runnel/err.h>
#include <stdio.h>
#include <string.h>

struct range {
    uint16_t first;
    uint16_t last;
};

/* "80" or "80-90" up to @end. */
static bool read_range(const char *at, const char *end, struct range *ret)
{
    unsigned port[2] = { 0, 0 };
    unsigned n = 0;
    bool has_digit = false;

    for (; at < end; at++) {
        if (*at == '-' && n == 0 && has_digit) {
            n = 1;
            has_digit = false;
            continue;
        }
        if (*at < '0' || *at > '9')
            return false;
        has_digit = true;
        port[n] = port[n] * 10 + (unsigned)(*at - '0');
        if (port[n] > 65535)
            return false;
    }
    if (!has_digit)
        return false;
    ret->first = (uint16_t)port[0];
    ret->last = (uint16_t)(n == 1 ? port[1] : port[0]);
    return ret->first != 0 && ret->first <= ret->last;
}

/* The address before the ports, brackets off. Returns where the ports begin, or NULL. */
static const char *read_addr(const char *text, struct rn_addr *ret, const char **ret_why)
{
    char word[RN_ADDR_TEXT_BYTES];
    const char *end;
    const char *from = text;
    size_t len;

    *ret = rn_addr_none();
    if (*text == '[') {
        from = text + 1;
        end = strchr(text, ']');
        if (end == NULL || end[1] != ':') {
            *ret_why = "an IPv6 address needs brackets and a colon: [::1]:8080:80";
            return NULL;
        }
    } else {
        const char *colon = strchr(text, ':');

        if (colon == NULL || strchr(colon + 1, ':') == NULL)
            return text; /* no address: HOST:PORT, or an error for the ports to find */
        end = colon;
    }
    len = (size_t)(end - from);
    if (len == 0 || len >= sizeof(word)) {
        *ret_why = "the address before the ports is not an IP address";
        return NULL;
    }
    memcpy(word, from, len);
    word[len] = '\0';
    if (rn_addr_parse(word, ret) < 0) {
        *ret_why = "the address before the ports is not an IP address";
        return NULL;
    }
    return *end == ']' ? end + 2 : end + 1;
}

int rn_publish_parse(const char *text, struct rn_publish *ret, const char **ret_why)
{
    struct rn_publish p = { 0 };
    const char *ports = read_addr(text, &p.addr, ret_why);
    const char *slash;
    const char *end;
    const char *colon;
    struct range host;
    struct range inner;

    if (ports == NULL)
        return RN_E_PARSE;
    slash = strchr(ports, '/');
    end = slash != NULL ? slash : ports + strlen(ports);
    colon = memchr(ports, ':', (size_t)(end - ports));
    if (slash != NULL && strcmp(slash, "/tcp") != 0 && strcmp(slash, "/udp") != 0) {
        *ret_why = "the protocol after the slash is tcp or udp";
        return RN_E_PARSE;
    }
    if (!read_range(ports, colon != NULL ? colon : end, &host) ||
        !read_range(colon != NULL ? colon + 1 : ports, end, &inner)) {
        *ret_why = "a port is a number from 1 to 65535, a range is FIRST-LAST";
        return RN_E_PARSE;
    }
    if (host.last - host.first != inner.last - inner.first) {
        *ret_why = "the two ranges differ in length";
        return RN_E_PARSE;
    }
    p.has_addr = ports != text;
    p.host_first = host.first;
    p.host_last = host.last;
    p.port_first = inner.first;
    p.is_udp = slash != NULL && slash[1] == 'u';
    *ret = p;
    return RN_OK;
}

char *rn_publish_print(const struct rn_publish *p, char *buf, size_t cap)
{
    char addr[RN_ADDR_TEXT_BYTES];
    unsigned more = (unsigned)(p->host_last - p->host_first);
    bool is_v6 = p->has_addr && !rn_addr_is_v4(p->addr);
    const char *proto = p->is_udp ? "udp" : "tcp";
    const char *name = "localhost";

    if (is_v6 && rn_addr_is_none(p->addr))
        name = "::";
    else if (p->has_addr)
        name = rn_addr_print(p->addr, addr);
    if (more == 0)
        snprintf(buf, cap, "%s%s%s:%u -> port %u/%s", is_v6 ? "[" : "", name, is_v6 ? "]" : "",
                 p->host_first, p->port_first, proto);
    else
        snprintf(buf, cap, "%s%s%s:%u-%u -> ports %u-%u/%s", is_v6 ? "[" : "", name,
                 is_v6 ? "]" : "", p->host_first, p->host_last, p->port_first, p->port_first + more,
                 proto);
    return buf;
}
