/* Every drawing and question over whatever picture hostile bytes make: it ends, and no byte of a drawing steers a
 * terminal or leaves the strings of JSON. */
#include "discovery/ask_path.h"
#include "discovery/draw.h"
#include "discovery/scan.h"

#include <runnel/map.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct rn_out *out, bool is_ascii)
{
    const char *p = out->buf != NULL ? out->buf : "";
    uint32_t cp;

    if (out->err < 0 || strlen(p) != out->len)
        abort();
    while ((cp = rn_utf8_next(&p)) != 0) {
        if ((cp < 0x20 && cp != '\n') || (cp >= 0x7f && cp < 0xa0) ||
            (cp >= 0xd800 && cp <= 0xdfff))
            abort();
        if ((cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) ||
            (is_ascii && cp >= 0x80))
            abort();
    }
}

static void draw_all(const struct rn_map *map)
{
    static const struct {
        void (*draw)(const struct rn_draw *draw, struct rn_out *out);
        bool is_ascii;
    } forms[] = { { rn_draw_tree, false },
                  { rn_draw_json, true },
                  { rn_draw_gostwire, true },
                  { rn_draw_dot, false },
                  { rn_draw_svg, false } };

    for (size_t i = 0; i < RN_ARRAY_LEN(forms); i++) {
        const struct rn_draw draw = { .map = map, .width = 60, .is_verbose = true };
        struct rn_out out = { 0 };

        forms[i].draw(&draw, &out);
        check_text(&out, forms[i].is_ascii);
        rn_out_free(&out);
    }
}

static void ask_all(const struct rn_map *map)
{
    for (size_t i = 0; i < map->n_netns && i < 8; i++) {
        for (size_t k = 0; k < map->netns[i]->n_addrs && k < 8; k++) {
            const struct rn_path_query query = { .from = map->netns[map->n_netns - 1 - i],
                                                 .to = map->netns[i]->addrs[k].addr,
                                                 .port = 80,
                                                 .ip_proto = 6,
                                                 .asks_filters = k % 2 == 0 };
            const struct rn_draw draw = { .map = map };
            struct rn_out out = { 0 };
            struct rn_path path;

            if (rn_path_find(&path, map, &query) < 0)
                abort();
            rn_draw_path(&draw, &path, &out);
            check_text(&out, false);
            rn_out_free(&out);
            rn_path_free(&path);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_map *map;

    if (rn_scan_view(rn_view_of(data, size), &map) < 0)
        return 0;
    draw_all(map);
    ask_all(map);
    rn_map_free(map);
    return 0;
}
