/* A way from `runnel map path`, as text and as JSON (runnel.path/1). */
#include "discovery/draw.h"
#include "discovery/json_out.h"
#include "discovery/line.h"
#include "discovery/name.h"

#include "discovery/ask_path.h"

#include <inttypes.h>

static const char *const steps[] = { [RN_PATH_NAT] = "nat",
                                     [RN_PATH_ROUTE] = "route",
                                     [RN_PATH_WIRE] = "wire",
                                     [RN_PATH_LOCAL] = "local",
                                     [RN_PATH_FILTER] = "filter" };

static void put_netns(const struct rn_draw *draw, struct rn_line *line,
                      const struct rn_map_netns *ns)
{
    char name[RN_NAME_BYTES];

    rn_line_put(line, RN_STYLE_TITLE, rn_name_netns(draw->map, ns, name));
    rn_line_end(line);
}

void rn_draw_path(const struct rn_draw *draw, const struct rn_path *path, struct rn_out *out)
{
    struct rn_line line = {
        .out = out, .width = draw->width, .charset = draw->charset, .has_color = draw->has_color
    };
    const struct rn_map_netns *ns = NULL;

    for (size_t i = 0; i < path->n_lines; i++) {
        if (path->lines[i].netns != ns)
            put_netns(draw, &line, path->lines[i].netns);
        ns = path->lines[i].netns;
        rn_line_put(&line, RN_STYLE_DIM, "  ");
        rn_line_put(&line, RN_STYLE_DIM, steps[path->lines[i].step]);
        rn_line_pad(&line, 9);
        rn_line_put(&line, RN_STYLE_PLAIN, path->lines[i].text);
        rn_line_end(&line);
    }
    if (path->netns != ns && path->netns != NULL)
        put_netns(draw, &line, path->netns);
    rn_line_put(&line, path->is_reached ? RN_STYLE_ADDR : RN_STYLE_WARN,
                path->is_reached ? "reached: " : "not reached: ");
    rn_line_put(&line, RN_STYLE_PLAIN, path->why);
    rn_line_end(&line);
    rn_line_put(&line, RN_STYLE_DIM,
                path->has_asked_filters
                    ? "(not looked at: the way back, rp_filter)"
                    : "(not looked at: filter rules, whether networks forward)");
    rn_line_end(&line);
    rn_line_free(&line);
}

static void netns_id(struct rn_json *j, const char *key, const struct rn_map_netns *ns)
{
    char id[32];

    if (ns == NULL) {
        rn_json_null(j, key);
        return;
    }
    (void)snprintf(id, sizeof(id), "net-%" PRIu64, ns->ino);
    rn_json_text(j, key, id);
}

void rn_draw_path_json(const struct rn_draw *draw, const struct rn_path *path, struct rn_out *out)
{
    struct rn_json j = { .out = out, .is_pretty = draw->is_pretty };

    rn_json_open(&j, NULL, '{');
    rn_json_text(&j, "schema", "runnel.path/1");
    rn_json_bool(&j, "reached", path->is_reached);
    rn_json_bool(&j, "filters_asked", path->has_asked_filters);
    rn_json_text(&j, "why", path->why);
    netns_id(&j, "netns", path->netns);
    if (path->link != NULL)
        rn_json_text(&j, "link", path->link->name);
    else
        rn_json_null(&j, "link");
    if (path->process != NULL)
        rn_json_int(&j, "pid", path->process->pid);
    else
        rn_json_null(&j, "pid");
    rn_json_open(&j, "steps", '[');
    for (size_t i = 0; i < path->n_lines; i++) {
        rn_json_open(&j, NULL, '{');
        netns_id(&j, "netns", path->lines[i].netns);
        rn_json_text(&j, "step", steps[path->lines[i].step]);
        rn_json_text(&j, "text", path->lines[i].text);
        rn_json_close(&j, '}');
    }
    rn_json_close(&j, ']');
    rn_json_close(&j, '}');
    rn_out_char(out, '\n');
}
