/* Strips itself, then tries one forbidden or allowed thing. For sandbox.py: sandbox_probe DEED, exit 0 if it survived. */
#include "host/sandbox.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

static void deed_nothing(void)
{
}

static void deed_exec(void)
{
    execl("/bin/true", "true", (char *)NULL);
}

static void deed_open(void)
{
    (void)!open("/etc/passwd", O_RDONLY);
}

static void deed_ptrace(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void deed_setns(void)
{
    setns(0, 0);
}

static void deed_fork(void)
{
    (void)!fork();
}

static void deed_packet_socket(void)
{
    (void)!socket(AF_PACKET, SOCK_RAW, 0);
}

static void deed_executable_memory(void)
{
    (void)!mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void deed_memory(void)
{
    void *volatile p = malloc(1 << 24); /* volatile: or the compiler sees that nobody looks */

    free(p);
}

/* Small pieces grow a heap, and their end shrinks it, which libc does in other ways for other threads. */
static void deed_heap(void)
{
    static void *volatile pieces[4096];

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        pieces[i] = malloc(16 << 10);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        free(pieces[i]);
}

static void deed_write(void)
{
    (void)!write(STDERR_FILENO, "", 0);
}

static void *work(void *arg)
{
    deed_memory();
    deed_write();
    return arg;
}

static void deed_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, work, NULL) == 0)
        pthread_join(thread, NULL);
}

/* Threads made before the filter: each waits, then does its deed under it. */
static struct {
    pthread_t thread;
    sem_t ready;
    sem_t go;
    void (*deed)(void);
} early;

static void *wait_and_do(void *arg)
{
    (void)sem_post(&early.ready);
    (void)sem_wait(&early.go);
    early.deed();
    return arg;
}

static int start_early(void *arg)
{
    (void)arg;
    (void)sem_init(&early.ready, 0, 0);
    (void)sem_init(&early.go, 0, 0);
    if (pthread_create(&early.thread, NULL, wait_and_do, NULL) != 0)
        _exit(124);
    return sem_wait(&early.ready);
}

static void let_early(void (*deed)(void))
{
    early.deed = deed;
    (void)sem_post(&early.go);
    pthread_join(early.thread, NULL);
}

static void deed_early_work(void)
{
    let_early(deed_memory);
}

static void deed_early_heap(void)
{
    let_early(deed_heap);
}

static void deed_early_open(void)
{
    let_early(deed_open);
}

static const struct {
    const char *name;
    void (*run)(void);
} deeds[] = {
    { "nothing", deed_nothing },
    { "exec", deed_exec },
    { "open", deed_open },
    { "ptrace", deed_ptrace },
    { "setns", deed_setns },
    { "fork", deed_fork },
    { "packet-socket", deed_packet_socket },
    { "executable-memory", deed_executable_memory },
    { "memory", deed_memory },
    { "write", deed_write },
    { "thread", deed_thread },
    { "early-thread", deed_early_work },
    { "early-thread-heap", deed_early_heap },
    { "early-thread-open", deed_early_open },
};

int main(int argc, char **argv)
{
    struct rn_sandbox_opts opts = { .seccomp = argc > 2 ? RN_SECCOMP_TRAP : RN_SECCOMP_KILL };
    struct rn_sandbox_report report;

    for (size_t i = 0; argc > 1 && i < sizeof(deeds) / sizeof(deeds[0]); i++) {
        if (strcmp(argv[1], deeds[i].name) != 0)
            continue;
        if (strncmp(argv[1], "early", 5) == 0)
            opts.start_threads = start_early;
        if (rn_sandbox_apply(&opts, &report) < 0) {
            (void)!write(STDERR_FILENO, report.step, strlen(report.step));
            _exit(125);
        }
        deeds[i].run();
        _exit(0);
    }
    return 2;
}
