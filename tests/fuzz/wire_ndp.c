/* Neighbour discovery messages and options: messages say the same when emitted again; options end. */
#include "wire/ndp.h"
#include "wire/ndp_opts.h"
#include <runnel/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A message that was taken has only options of sound length. */
static void check_options(struct rn_view options)
{
    struct rn_reader r = rn_reader_of(options);
    struct rn_ndp_opt opt;
    int more;

    while ((more = rn_ndp_opt_next(&r, &opt)) > 0) {
        if (opt.type == RN_NDP_OPT_PREFIX &&
            (opt.prefix.prefix.bits > 128 || opt.prefix.prefix.is_v4))
            abort();
        if (opt.type == RN_NDP_OPT_RDNSS &&
            (opt.rdnss.n_servers == 0 || opt.rdnss.n_servers > RN_NDP_RDNSS_MAX))
            abort();
    }
    if (more < 0)
        abort();
}

static void check_neighbour(struct rn_view msg)
{
    struct rn_ndp_ns ns;
    struct rn_ndp_na na;
    struct rn_view options;
    uint8_t out[24];
    struct rn_writer w = rn_writer_of(out, sizeof out);

    if (rn_ndp_ns_parse(&ns, &options, msg) == RN_OK) {
        check_options(options);
        rn_ndp_ns_emit(&ns, &w);
    } else if (rn_ndp_na_parse(&na, &options, msg) == RN_OK) {
        check_options(options);
        rn_ndp_na_emit(&na, &w);
    } else {
        return;
    }
    if (w.len != sizeof out || memcmp(out + 8, msg.ptr + 8, 16) != 0)
        abort();
}

static void check_router(struct rn_view msg)
{
    struct rn_ndp_ra ra;
    struct rn_ndp_redirect rd;
    struct rn_view options;
    uint8_t out[40];
    struct rn_writer w = rn_writer_of(out, sizeof out);

    if (rn_ndp_rs_parse(&options, msg) == RN_OK)
        check_options(options);
    if (rn_ndp_ra_parse(&ra, &options, msg) == RN_OK) {
        check_options(options);
        rn_ndp_ra_emit(&ra, &w);
        if (w.len != 16 || memcmp(out + 6, msg.ptr + 6, 10) != 0 || out[4] != msg.ptr[4])
            abort();
    }
    if (rn_ndp_redirect_parse(&rd, &options, msg) == RN_OK) {
        check_options(options);
        rn_ndp_redirect_emit(&rd, &w);
        if (w.len != 40 || memcmp(out + 8, msg.ptr + 8, 32) != 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_neighbour(rn_view_of(data, size));
    check_router(rn_view_of(data, size));
    return 0;
}
