#include "discovery/load.h"

#include "host/proc.h"

/* Arguments are separated by NULs, and the last is followed by one; a process may overwrite all that. */
static const char *join_args(struct rn_load *l, struct rn_view v)
{
    char *s;

    while (v.len != 0 && v.ptr[v.len - 1] == 0)
        v.len--;
    if (v.len == 0)
        return "";
    s = rn_arena_new(&l->map->arena, v.len + 1);
    if (s == NULL)
        return "";
    for (size_t i = 0; i < v.len; i++)
        s[i] = v.ptr[i] != 0 ? (char)v.ptr[i] : ' ';
    return s;
}

static void read_stat(struct rn_load *l, struct rn_map_process *p, struct rn_view text)
{
    struct rn_proc_stat stat;

    if (rn_proc_stat_parse(text, &stat) < 0) {
        l->n_malformed++;
        return;
    }
    p->comm = rn_load_str(l, stat.comm);
    p->ppid = stat.ppid;
    p->start_ticks = stat.start_ticks;
    p->policy = rn_sat_u8(stat.policy);
    p->rt_priority = rn_sat_u8(stat.rt_priority);
    p->nice = (int8_t)(stat.nice < -20 || stat.nice > 19 ? 0 : stat.nice);
    p->is_kernel_thread = stat.flags & RN_PROC_PF_KTHREAD;
}

void rn_load_process(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    uint32_t pid = rn_read_be32(&r);
    uint64_t dev = rn_read_be64(&r);
    uint64_t ino = rn_read_be64(&r);
    size_t n = l->map->n_processes;
    struct rn_map_process *p;

    /* Ascending pids keep rn_model_process() fast and the list free of doubles. */
    if (r.short_read || (n != 0 && pid <= l->map->processes[n - 1]->pid)) {
        l->n_malformed++;
        return;
    }
    p = rn_model_add_process(l->map, pid);
    if (p == NULL)
        return;
    p->netns_dev = dev;
    p->netns_ino = ino;
    p->pidns_ino = rn_read_be64(&r);
    p->mntns_ino = rn_read_be64(&r);
    p->utsns_ino = rn_read_be64(&r);
    p->userns_ino = rn_read_be64(&r);
    p->is_frozen = rn_read_be32(&r) & RN_DUMP_PROCESS_IS_FROZEN;
    read_stat(l, p, rn_dump_read_text(&r));
    p->cgroup = rn_load_str(l, rn_proc_cgroup_path(rn_dump_read_text(&r)));
    p->cmdline = join_args(l, rn_dump_read_text(&r));
}

void rn_load_cmdline(struct rn_load *l, struct rn_map_process *p, struct rn_view text)
{
    if (p != NULL)
        p->cmdline = join_args(l, text);
}

void rn_load_status(struct rn_load *l, struct rn_map_process *p, struct rn_view text)
{
    struct rn_proc_status s;

    if (p == NULL)
        return;
    rn_proc_status_parse(text, &s);
    p->has_status = true;
    p->uid = s.uid;
    p->gid = s.gid;
    p->cap_bounding = s.cap_bounding;
    p->cap_effective = s.cap_effective;
    p->affinity = rn_load_str(l, s.cpus);
    p->nspids =
        s.n_nspids != 0 ? rn_arena_new(&l->map->arena, s.n_nspids * sizeof(*p->nspids)) : NULL;
    p->n_nspids = p->nspids != NULL ? s.n_nspids : 0;
    for (size_t i = 0; i < p->n_nspids; i++)
        p->nspids[i] = s.nspids[i];
}
