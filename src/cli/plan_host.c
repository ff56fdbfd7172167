#include "cli/plan.h"

#include "host/rtnl_addr.h"
#include "host/rtnl_route.h"

#include <runnel/err.h>
#include <stdlib.h>
#include <string.h>

/* Reading the host for the plan: which prefixes are taken, who resolves names. */

#define RESOLV_PATH  "/etc/resolv.conf"
#define RESOLV_BYTES 8192u

static int take(struct rn_host_view *view, const struct rn_prefix *p)
{
    if (view->n_taken == view->cap_taken) {
        size_t cap = view->cap_taken != 0 ? view->cap_taken * 2 : 64;
        struct rn_prefix *more = realloc(view->taken, cap * sizeof(*more));

        if (more == NULL)
            return RN_E_NOMEM;
        view->taken = more;
        view->cap_taken = cap;
    }
    view->taken[view->n_taken++] = *p;
    return RN_OK;
}

/* Default routes clash with nothing; a multicast or link-local one neither. */
static int on_route(const struct rn_rtnl_route *route, void *arg)
{
    struct rn_host_view *view = arg;

    if (route->dst.bits == 0) {
        view->has_default6 |= route->family == 6 && route->ifindex != 0;
        return RN_OK;
    }
    if (rn_addr_is_multicast(route->dst.addr) || rn_addr_is_link_local(route->dst.addr))
        return RN_OK;
    return take(view, &route->dst);
}

static int on_addr(const struct rn_rtnl_addr *addr, void *arg)
{
    struct rn_prefix p = rn_prefix_of(addr->local, addr->prefix_bits);

    return rn_addr_is_link_local(addr->local) ? RN_OK : take(arg, &p);
}

static bool starts_with_word(const char *line, const char *word, const char **ret_rest)
{
    size_t n = strlen(word);

    if (strncmp(line, word, n) != 0 || (line[n] != ' ' && line[n] != '\t'))
        return false;
    *ret_rest = line + n + strspn(line + n, " \t");
    return true;
}

static void add_nameserver(struct rn_host_view *view, const char *at)
{
    char word[RN_ADDR_TEXT_BYTES];
    size_t len = strcspn(at, " \t\r%");

    if (len == 0 || len >= sizeof(word) || view->n_dns == RN_PLAN_DNS_MAX)
        return;
    memcpy(word, at, len);
    word[len] = '\0';
    if (rn_addr_parse(word, &view->dns[view->n_dns]) >= 0)
        view->n_dns++;
}

static void keep_line(struct rn_host_view *view, const char *line)
{
    size_t used = strlen(view->search);
    size_t len = strlen(line);

    if (len + 2 > sizeof(view->search) - used)
        return;
    memcpy(view->search + used, line, len);
    memcpy(view->search + used + len, "\n", 2);
}

void rn_plan_read_resolv(const char *text, struct rn_host_view *ret)
{
    char line[512];

    ret->n_dns = 0;
    ret->search[0] = '\0';
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        const char *rest;

        if (len < sizeof(line)) {
            memcpy(line, text, len);
            line[len] = '\0';
            if (starts_with_word(line, "nameserver", &rest))
                add_nameserver(ret, rest);
            else if (starts_with_word(line, "search", &rest) ||
                     starts_with_word(line, "domain", &rest) ||
                     starts_with_word(line, "options", &rest))
                keep_line(ret, line);
        }
        text += len + (text[len] == '\n');
    }
}

void rn_plan_look_at_resolv(struct rn_host_view *view)
{
    char text[RESOLV_BYTES];
    FILE *file = fopen(RESOLV_PATH, "re");
    size_t len;

    if (file == NULL)
        return;
    len = fread(text, 1, sizeof(text) - 1, file);
    text[len] = '\0';
    fclose(file);
    rn_plan_read_resolv(text, view);
}

int rn_plan_look(struct rn_host_view *ret)
{
    struct rn_host_view view = { 0 };
    struct rn_nl nl = { 0 };
    int err = rn_nl_open(&nl, NETLINK_ROUTE);

    if (err < 0)
        return err;
    err = rn_rtnl_route_dump(&nl, on_route, &view);
    if (err >= 0)
        err = rn_rtnl_addr_dump(&nl, on_addr, &view);
    rn_nl_close(&nl);
    if (err < 0) {
        rn_plan_forget(&view);
        return err;
    }
    rn_plan_look_at_resolv(&view);
    *ret = view;
    return RN_OK;
}

void rn_plan_forget(struct rn_host_view *view)
{
    free(view->taken);
    *view = (struct rn_host_view){ 0 };
}

void rn_plan_resolv_text(const struct rn_run_plan *plan, char *buf, size_t cap)
{
    char addr[RN_ADDR_TEXT_BYTES];
    int n = 0;

    if (plan->has_v4)
        n += snprintf(buf + n, cap - (size_t)n, "nameserver %s\n",
                      rn_addr_print(plan->gateway4, addr));
    if (plan->has_v6)
        n += snprintf(buf + n, cap - (size_t)n, "nameserver %s\n",
                      rn_addr_print(plan->gateway6, addr));
    snprintf(buf + n, cap - (size_t)n, "%s", plan->search);
}
