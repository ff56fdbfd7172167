#include "host/seccomp.h"

#include "base/bytes.h"
#include "host/seccomp_list.h"
#include <runnel/err.h>

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* x32 calls share the architecture of x86-64 and differ in this bit only. */
#define X32_BIT 0x40000000u

#define VALUES_MAX 6u

/* A listed call is allowed only if (argument & mask) is one of the values; the kernel reads the low 32 bits of these. */
struct arg_rule {
    uint32_t nr;
    uint8_t arg;
    uint8_t n_values;
    uint32_t mask;
    uint32_t values[VALUES_MAX];
};

static const struct arg_rule arg_rules[] = {
    { __NR_mmap, 2, 1, PROT_EXEC, { 0 } },
    { __NR_mprotect, 2, 1, PROT_EXEC, { 0 } },
    { __NR_clone, 0, 1, CLONE_THREAD, { CLONE_THREAD } },
    { __NR_prctl, 0, 1, ~0u, { PR_SET_NAME } },
    { __NR_ioctl, 1, 3, ~0u, { FIONREAD, SIOCOUTQ, FIONBIO } },
    { __NR_socket, 0, 2, ~0u, { AF_INET, AF_INET6 } },
    { __NR_prlimit64, 2, 1, ~0u, { 0 } }, /* reading limits, not setting them */
    { __NR_fcntl, 1, 4, ~0u, { F_GETFL, F_SETFL, F_GETFD, F_DUPFD_CLOEXEC } },
};

#define PROLOGUE_MAX 8u
#define PER_CALL_MAX (4u + 2u * VALUES_MAX)
#define PROGRAM_MAX  (PROLOGUE_MAX + RN_ARRAY_LEN(rn_syscalls) * PER_CALL_MAX)

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short n;
    uint32_t otherwise; /* SECCOMP_RET_* for what is not allowed */
};

static void put(struct program *p, struct sock_filter instruction)
{
    rn_assert(p->n < PROGRAM_MAX);
    p->code[p->n++] = instruction;
}

static void put_load(struct program *p, size_t at)
{
    put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)at));
}

static void put_return(struct program *p, uint32_t action)
{
    put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* Skips @n instructions unless the accumulator equals @value. */
static void put_unless_equal(struct program *p, uint32_t value, uint8_t n)
{
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n));
}

static size_t low_word_of_arg(unsigned arg)
{
    size_t at = offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t);

    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? at + 4 : at;
}

static const struct arg_rule *rule_of(uint32_t nr)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(arg_rules); i++) {
        if (arg_rules[i].nr == nr)
            return &arg_rules[i];
    }
    return NULL;
}

static void put_checked_call(struct program *p, const struct arg_rule *rule)
{
    put_unless_equal(p, rule->nr, (uint8_t)(3 + 2 * rule->n_values));
    put_load(p, low_word_of_arg(rule->arg));
    put(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, rule->mask));
    for (unsigned i = 0; i < rule->n_values; i++) {
        put_unless_equal(p, rule->values[i], 1);
        put_return(p, SECCOMP_RET_ALLOW);
    }
    put_return(p, p->otherwise);
}

static void put_call(struct program *p, uint32_t nr)
{
    const struct arg_rule *rule = rule_of(nr);

    if (rule != NULL) {
        put_checked_call(p, rule);
        return;
    }
    put_unless_equal(p, nr, 1);
    put_return(p, SECCOMP_RET_ALLOW);
}

static void write_program(struct program *p)
{
    put_load(p, offsetof(struct seccomp_data, arch));
    put_unless_equal(p, RN_SECCOMP_ARCH, 1);
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0));
    put_return(p, SECCOMP_RET_KILL_PROCESS);
    put_load(p, offsetof(struct seccomp_data, nr));
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 0, 1));
    put_return(p, SECCOMP_RET_KILL_PROCESS);
    for (size_t i = 0; i < RN_ARRAY_LEN(rn_syscalls); i++)
        put_call(p, rn_syscalls[i].nr);
    put_return(p, p->otherwise);
}

/* Async-signal-safe; the process ends here. */
static void name_the_call(int sig, siginfo_t *info, void *context)
{
    char line[64] = "runnel: sandbox: system call 00000 is not allowed\n";
    unsigned nr = (unsigned)info->si_syscall;
    ssize_t n;

    (void)sig;
    (void)context;
    for (size_t at = strlen("runnel: sandbox: system call 0000"), i = 0; i < 5; i++, at--) {
        line[at] = (char)('0' + nr % 10);
        nr /= 10;
    }
    n = write(STDERR_FILENO, line, strlen(line)); /* syscalls: write */
    (void)n;
    _exit(128 + SIGSYS); /* syscalls: exit_group */
}

static int prepare_trap(void)
{
    struct sigaction action = { .sa_sigaction = name_the_call, .sa_flags = SA_SIGINFO };

    return sigaction(SIGSYS, &action, NULL) < 0 ? rn_err_from_errno(errno) : RN_OK;
}

int rn_seccomp_apply(enum rn_seccomp_mode mode)
{
    static const uint32_t actions[] = {
        [RN_SECCOMP_KILL] = SECCOMP_RET_KILL_PROCESS,
        [RN_SECCOMP_TRAP] = SECCOMP_RET_TRAP,
        [RN_SECCOMP_LOG] = SECCOMP_RET_LOG,
    };
    struct program p = { .n = 0, .otherwise = actions[mode] };
    struct sock_fprog prog = { .filter = p.code };
    int err = mode == RN_SECCOMP_TRAP ? prepare_trap() : RN_OK;

    if (err < 0)
        return err;
    write_program(&p);
    prog.len = p.n;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog) != 0)
        return rn_err_from_errno(errno != 0 ? errno : EBUSY);
    return RN_OK;
}
