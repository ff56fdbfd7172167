#include "run.h"

#include "expr.h"
#include "info.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The order of events and their times. Packets: run_packet.c; calls: run_call.c. */

bool run_fail(struct run *run, const struct event *event, const char *format, ...)
{
    va_list args;

    if (run->has_failed)
        return false;
    run->has_failed = true;
    fprintf(run->report, "%s:%d: ", run->script->path, event->line);
    va_start(args, format);
    vfprintf(run->report, format, args);
    va_end(args);
    fputc('\n', run->report);
    return false;
}

int64_t run_at_us(const struct run *run, const struct event *event, int64_t us)
{
    return event->time_kind == TIME_RELATIVE ? run->last_us + us : us;
}

bool run_is_timely(const struct run *run, int64_t us, int64_t from_us, int64_t until_us)
{
    int64_t slack = run->script->opts.tolerance_us;

    return us >= from_us - slack && us <= until_us + slack;
}

/* --- code and commands --------------------------------------------------------------------------------------------- */

static bool run_code(struct run *run, const struct event *event)
{
    union face_info info = { 0 };
    socklen_t len = sizeof(info);
    char why[1024];
    int err = face_getsockopt(&run->face, run->info_fd, IPPROTO_TCP, TCP_INFO, &info, &len);

    if (err < 0)
        return run_fail(run, event, "no socket to ask for its tcp_info: %s", errno_name(-err));
    if (!expr_run(event->text, &info, why, sizeof(why)))
        return run_fail(run, event, "%s", why);
    return true;
}

/* Nothing here runs shell lines: what a script needs of the stack it sets by socket options. */
static bool run_command(struct run *run, const struct event *event)
{
    return run_fail(run, event, "shell commands are not run: `%s`", event->text);
}

/* --- events -------------------------------------------------------------------------------------------------------- */

static bool play_timed(struct run *run, const struct event *event)
{
    switch (event->kind) {
    case EVENT_PACKET:
        return run_inject(run, event);
    case EVENT_CALL:
        return run_call(run, event);
    case EVENT_CODE:
        return run_code(run, event);
    case EVENT_COMMAND:
        break;
    }
    return run_command(run, event);
}

static bool play(struct run *run, const struct event *event)
{
    int64_t at_us = run_at_us(run, event, event->at_us);
    int64_t seen_us = at_us;

    if (event->kind == EVENT_PACKET && !event->packet->is_in) {
        if (!run_expect(run, event, &seen_us))
            return false;
    } else {
        if (event->time_kind != TIME_ANY)
            world_run_until(&run->world, run_ns(at_us));
        if (!run_settle_blocked(run, false) || !play_timed(run, event))
            return false;
        if (event->time_kind == TIME_ANY)
            seen_us = run_us(world_now_ns(&run->world));
    }
    if (!run_settle_blocked(run, false))
        return false;
    run->last_us =
        event->at_us == event->until_us && event->time_kind != TIME_ANY ? at_us : seen_us;
    return true;
}

static void after_turn(void *arg)
{
    run_retry_blocked(arg);
}

static void init(struct run *run, const struct script *script, FILE *report, FILE *pcap)
{
    struct world_opts opts = { .mtu = script->opts.mtu, .start_ns = RUN_START_NS };

    *run = (struct run){ .script = script, .report = report, .info_fd = -1 };
    run->flows = calloc(RUN_FLOWS_MAX, sizeof(*run->flows));
    if (run->flows == NULL)
        abort();
    for (int i = 0; i < RUN_FD_MAX; i++)
        run->fd_live[i] = -1;
    world_init(&run->world, &opts);
    run->world.pcap = pcap;
    run->world.after_turn = after_turn;
    run->world.arg = run;
    face_init(&run->face, &run->world);
}

/* A script may end in the midst of connections; none of it may outlive the stack. */
static void finish(struct run *run, const struct event *last)
{
    size_t n_left;

    run->world.after_turn = NULL;
    world_enter(&run->world);
    face_fini(&run->face);
    world_leave(&run->world);
    n_left = world_fini(&run->world);
    if (n_left != 0 && last != NULL)
        (void)run_fail(run, last, "%zu packets, timers or allocations are left over", n_left);
    free(run->flows);
    arena_free(&run->arena);
}

bool run_script(const struct script *script, FILE *report, FILE *pcap)
{
    const struct event *last = NULL;
    struct run run;

    init(&run, script, report, pcap);
    for (const struct event *event = script->first; event != NULL; event = event->next) {
        last = event;
        run.event = event;
        if (!play(&run, event))
            break;
    }
    if (!run.has_failed && last != NULL) {
        (void)run_settle_blocked(&run, true);
        (void)run_expect_silence(&run);
    }
    finish(&run, last);
    return !run.has_failed;
}
