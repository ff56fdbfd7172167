/*
 * Texts about packets: filters and bad links. A line of text, then bytes that are a packet. What is negated holds exactly where
 * the text itself does not; and an error points into the text.
 */
#include "base/pkt.h"
#include "base/pool.h"
#include "fuzz.h"

#include <runnel/err.h>
#include <runnel/pkt.h>
#include <runnel/wrap.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 400, PACKET_MAX = 2048, POOL_MAX_BYTES = 1 << 20 };

/* Of what an error names: it lies in @text. */
static void check_word(const char *text, const char *word, size_t len)
{
    must(word >= text && len <= strlen(text) && word <= text + strlen(text) - len);
}

static bool read_filter(const char *text, struct rn_pkt_filter *ret)
{
    const char *word = NULL;
    size_t len = 0;

    if (rn_pkt_filter_parse(text, ret, &word, &len) >= 0)
        return true;
    check_word(text, word, len);
    return false;
}

static void check_filter(const char *text, const struct rn_pkt *pkt, enum rn_link_type link)
{
    struct rn_pkt_filter filter;
    struct rn_pkt_filter opposite;
    char negated[TEXT_MAX + 8] = "not (";

    if (!read_filter(text, &filter) || filter.n == 0)
        return;
    memcpy(negated + 5, text, strlen(text));
    negated[5 + strlen(text)] = ')';
    if (read_filter(negated, &opposite)) /* else it became too long, or too deep */
        must(rn_pkt_filter_matches(&filter, pkt, link) !=
             rn_pkt_filter_matches(&opposite, pkt, link));
}

static void check_impair(const char *text)
{
    struct rn_impair_opts opts;
    const char *word = NULL;
    size_t len = 0;

    if (rn_impair_parse(text, &opts, &word, &len) < 0)
        check_word(text, word, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size != 0 ? memchr(data, '\n', size) : NULL;
    size_t n = end != NULL ? (size_t)(end - data) : size;
    size_t rest = end != NULL ? size - n - 1 : 0;
    const struct rn_pool_limits limits = { .max_bytes = POOL_MAX_BYTES };
    struct rn_pool *pool = NULL;
    char text[TEXT_MAX + 1] = { 0 };
    struct rn_pkt *pkt;

    if (n > TEXT_MAX || rest > PACKET_MAX || rn_pool_new(&pool, &fuzz_heap, &limits) < 0)
        return 0;
    memcpy(text, data, n);
    check_impair(text);
    pkt = rn_pkt_from_bytes(pool, data + size - rest, rest);
    if (pkt != NULL) {
        check_filter(text, pkt, RN_LINK_IP);
        check_filter(text, pkt, RN_LINK_ETHERNET);
    }
    rn_pkt_free(pkt);
    rn_pool_free(pool);
    return 0;
}
