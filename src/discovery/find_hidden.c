/* Namespaces that only a socket keeps alive: no process lives there, no file names them. Sockets that no visited
 * namespace listed are borrowed from their holders and asked for the cookie of theirs. */
#include "discovery/broker.h"

#include "base/text.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The cookies met so far: few, since most sockets live in few namespaces. */
struct seen {
    uint64_t *cookies;
    size_t n;
    uint32_t n_refused;
};

static bool is_new_cookie(struct rn_broker *b, struct seen *seen, uint64_t cookie)
{
    uint64_t *grown;

    for (size_t i = seen->n; i-- != 0;) {
        if (seen->cookies[i] == cookie)
            return false;
    }
    grown = rn_arena_room(&b->arena, seen->cookies, seen->n, sizeof(*grown));
    if (grown == NULL)
        return false;
    seen->cookies = grown;
    seen->cookies[seen->n++] = cookie;
    return true;
}

/* Borrowing asks for the right to trace a process, which Yama and seccomp also refuse to the mighty. */
static void ask_sock(struct rn_broker *b, struct seen *seen, int pidfd,
                     const struct rn_found_sock *s)
{
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, s->fd, 0);
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);
    struct stat st;
    int ns;

    if (fd < 0) {
        seen->n_refused += errno == EPERM || errno == EACCES || errno == ENOSYS;
        return;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0 ||
        is_new_cookie(b, seen, cookie)) {
        ns = ioctl(fd, SIOCGSKNS);
        if (ns >= 0 && fstat(ns, &st) == 0)
            rn_found_add_ref(
                b, st.st_ino,
                &(struct rn_found_ref){ .found_by = RN_FOUND_SOCKET, .pid = s->pid, .id = s->fd });
        if (ns >= 0)
            close(ns);
    }
    close(fd);
}

static void note_refused(struct rn_broker *b, uint32_t n)
{
    char id[32];
    struct rn_text t = rn_text_of(id, sizeof(id));

    if (n == 0)
        return;
    rn_text_u64(&t, n);
    rn_text_str(&t, n == 1 ? " socket" : " sockets");
    rn_dump_note(&b->out,
                 &(struct rn_dump_note){ .seq = RN_DUMP_NO_SEQ,
                                         .what = "hidden networks",
                                         .id = id,
                                         .why = "may not be borrowed and asked where they are",
                                         .needs = "CAP_SYS_PTRACE, allowed by Yama and seccomp" });
}

void rn_find_hidden(struct rn_broker *b)
{
    struct seen seen = { 0 };
    uint32_t pid = 0;
    int pidfd = -1;

    for (size_t i = 0; i < b->n_socks; i++) {
        if (rn_known_socks_has(b, b->socks[i].ino))
            continue;
        if (b->socks[i].pid != pid) {
            if (pidfd >= 0)
                close(pidfd);
            pid = b->socks[i].pid;
            pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        }
        if (pidfd >= 0)
            ask_sock(b, &seen, pidfd, &b->socks[i]);
    }
    if (pidfd >= 0)
        close(pidfd);
    note_refused(b, seen.n_refused);
}
