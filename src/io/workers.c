#include "io/alloc.h"
#include "io/entropy.h"
#include "io/loop.h"
#include "io/steer.h"

#include <runnel/err.h>

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

/* One of them. Worker 0 has no thread of its own. */
struct worker {
    struct rn_workers *all;
    struct rn_loop *loop;
    struct rn_device *device; /* borrows; NULL: alone, or none yet */
    pthread_t thread;
    int err; /* its loop ended with it */
};

struct rn_workers {
    unsigned n;
    struct rn_steering steering;
    struct worker workers[RN_WORKERS_MAX];
    unsigned n_threads;
    bool is_started;
    bool is_called_off; /* written before .go */
    sem_t ready;        /* a thread has done what the C library does at its start, */
    sem_t go;           /* may work; once for each */
};

/* --- threads -------------------------------------------------------------------------------------------------------- */
static void await(sem_t *sem)
{
    while (sem_wait(sem) < 0) /* a signal */
        continue;
}

static void *work(void *arg)
{
    struct worker *w = arg;

    (void)sem_post(&w->all->ready);
    await(&w->all->go);
    if (!w->all->is_called_off)
        w->err = rn_loop_run(w->loop);
    /* One that cannot go on ends all: its flows would hang. */
    if (w->err < 0)
        rn_loop_stop(w->all->workers[0].loop);
    return NULL;
}

static int start_thread(struct worker *w)
{
    int host_errno = pthread_create(&w->thread, NULL, work, w);

    if (host_errno != 0)
        return rn_err_from_errno(host_errno);
    w->all->n_threads++;
    await(&w->all->ready);
    return RN_OK;
}

static void release(struct rn_workers *ws)
{
    for (unsigned i = 0; i < ws->n_threads; i++)
        (void)sem_post(&ws->go);
}

static void join_all(struct rn_workers *ws)
{
    for (unsigned i = 1; i <= ws->n_threads; i++)
        (void)pthread_join(ws->workers[i].thread, NULL);
    ws->n_threads = 0;
}

static void call_off(struct rn_workers *ws)
{
    ws->is_called_off = true;
    release(ws);
    join_all(ws);
    ws->is_called_off = false;
}

int rn_workers_start(struct rn_workers *ws)
{
    sigset_t all;
    sigset_t old;
    int err = RN_OK;

    if (ws->is_started)
        return RN_E_BAD_STATE;
    /* Signals are the program's: its own thread gets them. */
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    for (unsigned i = 1; i < ws->n && err >= 0; i++)
        err = start_thread(&ws->workers[i]);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err < 0) {
        call_off(ws);
        return err;
    }
    ws->is_started = true;
    return RN_OK;
}

int rn_workers_run(struct rn_workers *ws)
{
    int err;

    if (!ws->is_started)
        return RN_E_BAD_STATE;
    release(ws);
    err = rn_loop_run(ws->workers[0].loop);
    for (unsigned i = 1; i < ws->n; i++)
        rn_loop_stop(ws->workers[i].loop);
    join_all(ws);
    ws->is_started = false;
    for (unsigned i = 1; i < ws->n && err >= 0; i++)
        err = ws->workers[i].err;
    return err;
}

/* --- what they have ------------------------------------------------------------------------------------------------- */
unsigned rn_workers_count(const struct rn_workers *ws)
{
    return ws->n;
}

struct rn_loop *rn_workers_loop(const struct rn_workers *ws, unsigned index)
{
    return ws->workers[index].loop;
}

int rn_workers_queue(struct rn_workers *ws, unsigned index, struct rn_device *queue,
                     struct rn_device **ret)
{
    struct worker *w = &ws->workers[index];
    int err;

    if (ws->n == 1) {
        *ret = queue;
        return RN_OK;
    }
    err = rn_steer_new(ret, &ws->steering, index, w->loop, queue);
    if (err >= 0)
        w->device = *ret;
    return err;
}

void rn_workers_serve(struct rn_workers *ws, unsigned index, struct rn_stack *stack)
{
    if (ws->n > 1)
        rn_steer_serve(ws->workers[index].device, stack);
}

unsigned rn_workers_owner(const struct rn_workers *ws, const struct rn_endpoint *inner)
{
    return ws->n == 1 ? 0 : rn_steering_owner(&ws->steering, inner);
}

void rn_workers_get_counts(const struct rn_workers *ws, unsigned index,
                           struct rn_workers_counts *ret)
{
    *ret = (struct rn_workers_counts){ 0 };
    if (ws->workers[index].device != NULL)
        rn_steer_get_counts(ws->workers[index].device, ret);
}

/* --- all of them ---------------------------------------------------------------------------------------------------- */
static int make_loops(struct rn_workers *ws, size_t pool_max_bytes)
{
    size_t together = pool_max_bytes != 0 ? pool_max_bytes : RN_POOL_DEFAULT_MAX_BYTES;
    struct rn_loop_opts opts = { .pool.max_bytes = together / ws->n };
    int err = RN_OK;

    for (unsigned i = 0; i < ws->n && err >= 0; i++) {
        ws->workers[i].all = ws;
        err = rn_loop_new(&ws->workers[i].loop, &opts);
    }
    return err;
}

static int make_steering(struct rn_workers *ws)
{
    uint8_t key[16];
    int err;

    if (ws->n == 1)
        return RN_OK;
    err = rn_entropy(key, sizeof(key));
    if (err < 0)
        return err;
    ws->steering.key = rn_hash_key_of(key);
    return rn_steering_init(&ws->steering, rn_alloc_libc(), ws->n);
}

int rn_workers_new(struct rn_workers **ret, const struct rn_workers_opts *opts)
{
    struct rn_workers *ws;
    int err;

    if (opts->n == 0 || opts->n > RN_WORKERS_MAX)
        return RN_E_BAD_OPTION;
    ws = rn_alloc_new(rn_alloc_libc(), sizeof(*ws));
    if (ws == NULL)
        return RN_E_NOMEM;
    ws->n = opts->n;
    (void)sem_init(&ws->ready, 0, 0); /* fails only for a value out of range */
    (void)sem_init(&ws->go, 0, 0);
    err = make_steering(ws);
    if (err >= 0)
        err = make_loops(ws, opts->pool_max_bytes);
    if (err < 0) {
        rn_workers_free(ws);
        return err;
    }
    *ret = ws;
    return RN_OK;
}

struct rn_workers *rn_workers_free(struct rn_workers *ws)
{
    if (ws == NULL)
        return NULL;
    call_off(ws);
    for (unsigned i = 0; i < ws->n; i++)
        rn_loop_free(ws->workers[i].loop);
    if (ws->steering.ways != NULL)
        rn_steering_fini(&ws->steering, rn_alloc_libc());
    (void)sem_destroy(&ws->ready);
    (void)sem_destroy(&ws->go);
    rn_alloc_free(rn_alloc_libc(), ws, sizeof(*ws));
    return NULL;
}
