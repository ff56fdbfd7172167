#pragma once
/*
 * runnel.dump/1: what the broker saw, as bytes. Raw kernel replies and file contents in frames, so that whoever holds
 * privilege parses nothing, and a file of it shows the same picture on any machine.
 *
 *   stream  = header frame*                      an END frame says that the stream is whole
 *   header  = "runnel.dump/1\n" byte_order:u32   0x01020304 as the recorder stores it: kernel bytes are in its order
 *   frame   = bytes:u32 type:u16 table:u16 payload[bytes]
 *
 * Numbers of the framing are big-endian. "text" is bytes:u16 + bytes. Unknown frame types are skipped, known ones may
 * grow at their end: readers ignore what follows the fields they know.
 *
 *   HOST     uid:u32 caps:u64 unix_s:u64 flags:u32 self_dev:u64 self_ino:u64 init_dev:u64 init_ino:u64
 *            hostname:text os_release:text kernel:text cpus:text
 *   PROCESS  pid:u32 dev:u64 ino:u64 pidns:u64 mntns:u64 utsns:u64 userns:u64 flags:u32
 *            stat:text cgroup:text cmdline:text status:text        the files' bytes; cmdline with its NULs
 *   SOCKETS  pid:u32 (inode:u64)*                                  the process holds these open
 *   TUN      pid:u32 dev:u64 ino:u64 ifname:text                   the process serves that interface
 *   NETNS    seq:u32 dev:u64 ino:u64                               seq counts from 0
 *   REF      seq:u32 found_by:u8 pid:u32 fd:u32 mntns:u64 path:text
 *   VISIT    seq:u32 [cookie:u64 owner_uid:u32 userns:u64]         the next NETLINK ... frames are of this one;
 *                                                                  table 1: seen from outside, without the rest
 *   NETLINK  one datagram as received; table says of which question (enum rn_dump_table)
 *   XTABLES  family:u8 ipt_getinfo (names the table), ipt_get_entries' bytes
 *   PROCNET  content of a file of /proc/net that no netlink question covers; table says which
 *   DRIVER   ifindex:u32 drvinfo:text speed:u32 duplex:u8 sriov:u8 pf_bus:text
 *   FILE     pid:u32 which:u8 flags:u8 content                     seen through the process's root
 *   ENGINE   kind:u8 which:u8 pid:u32 uid:u32 path:text content    an engine's answer, or a file of its
 *   NOTE     seq:u32 what:text id:text why:text needs:text         could not be read; seq UINT32_MAX: whole machine
 *   END
 *   FORWARD  seq:u32 origin:u8 family:u8 proto:u8 hooks:u8 is_conditional:u8 bits:u8 addr[16] to[16] ports:u32
 *            to_ports:u32 proxy_pid:u32 iif:text to_seq:u32        in redacted streams, instead of rules; ports are
 *                                                                  from << 16 | to
 *   NSID     seq:u32 nsid:u32 of:u32                               in the namespace .seq this number means .of
 */
#include "base/view.h"

#include <runnel/attr.h>
#include <runnel/err.h>

#define RN_DUMP_MAGIC           "runnel.dump/1\n"
#define RN_DUMP_HEADER_BYTES    (sizeof(RN_DUMP_MAGIC) - 1 + 4)
#define RN_DUMP_BYTE_ORDER      0x01020304u
#define RN_DUMP_FRAME_MAX_BYTES (16u << 20)
#define RN_DUMP_FRAME_HDR_BYTES 8u
#define RN_DUMP_NO_SEQ          UINT32_MAX

enum rn_dump_type {
    RN_DUMP_HOST = 1,
    RN_DUMP_PROCESS,
    RN_DUMP_SOCKETS,
    RN_DUMP_TUN,
    RN_DUMP_NETNS,
    RN_DUMP_REF,
    RN_DUMP_VISIT,
    RN_DUMP_NETLINK,
    RN_DUMP_XTABLES,
    RN_DUMP_PROCNET,
    RN_DUMP_DRIVER,
    RN_DUMP_FILE,
    RN_DUMP_ENGINE,
    RN_DUMP_NOTE,
    RN_DUMP_END,
    RN_DUMP_FORWARD,
    RN_DUMP_NSID,
};

enum rn_dump_table {
    RN_TABLE_LINK = 1,
    RN_TABLE_ADDR,
    RN_TABLE_ROUTE,
    RN_TABLE_RULE,
    RN_TABLE_NEIGH,
    RN_TABLE_FDB,
    RN_TABLE_NEXTHOP,
    RN_TABLE_NSID, /* of older streams: NETNSA_CURRENT_NSID is the seq of the other */
    RN_TABLE_TCP,
    RN_TABLE_UDP,
    RN_TABLE_UDPLITE,
    RN_TABLE_MPTCP,
    RN_TABLE_RAW,
    RN_TABLE_UNIX,
    RN_TABLE_PACKET,
    RN_TABLE_NFT_TABLE,
    RN_TABLE_NFT_CHAIN,
    RN_TABLE_NFT_RULE,
    RN_TABLE_NFT_SET,
    RN_TABLE_NFT_ELEM,
    RN_TABLE_PROC_RAW, /* PROCNET, to _FORWARDS6 */
    RN_TABLE_PROC_RAW6,
    RN_TABLE_PROC_PING,
    RN_TABLE_PROC_PING6,
    RN_TABLE_PROC_FORWARDS, /* sys/net/ipv4/ip_forward */
    RN_TABLE_PROC_FORWARDS6,
    RN_TABLE_WIREGUARD, /* NETLINK: WG_CMD_GET_DEVICE's answer, secret keys overwritten */
    RN_TABLE_PROC_BRIDGES, /* PROCNET: sys/net/bridge/bridge-nf-call-iptables; 0 without br_netfilter */
    RN_TABLE_PROC_BRIDGES6,
    RN_TABLE_N
};

enum rn_dump_file {
    RN_FILE_UTS_HOSTNAME =
        1, /* no file: gethostname() in its UTS namespace, which speaks for all in there */
    RN_FILE_HOSTNAME,
    RN_FILE_HOSTS,
    RN_FILE_RESOLV_CONF,
    RN_FILE_NSSWITCH,
    RN_FILE_DOMAINNAME,
    RN_FILE_STATUS, /* /proc/<pid>/status */
    RN_FILE_SAME_AS, /* content is a pid:u32 whose files these are too: same mount namespace, same root */
    RN_FILE_CMDLINE, /* /proc/<pid>/cmdline; of older streams it is in PROCESS */
};

/* What an engine was asked. */
enum rn_dump_ask {
    RN_ASK_VERSION = 1,
    RN_ASK_CONTAINERS,
    RN_ASK_NETWORKS,
    RN_ASK_PODS,
    RN_ASK_BUNDLE, /* nobody: the OCI configuration of a container; pid is who watches it, path "namespace/id" */
    RN_ASK_CNI,     /* nobody: a CNI network list; pid is whose root it lies in */
    RN_ASK_NETWORK, /* nobody: one of podman's networks, likewise */
};

enum {
    RN_DUMP_FILE_TRUNCATED = 1,    /* FILE flags */
    RN_DUMP_PROCESS_IS_FROZEN = 1, /* PROCESS flags */
    RN_DUMP_HOST_IS_REDACTED = 1,  /* HOST flags */
    RN_DUMP_HOST_NO_INIT = 2,      /* PID 1's namespace could not be read */
    RN_DUMP_HOST_HAS_FILTERS = 4, /* rules that only let pass or stop are there, and who forwards */
};

struct rn_dump_frame {
    uint16_t type;
    uint16_t table;
    struct rn_view payload;
};

/* ---- writing: a growing buffer that is flushed into a descriptor ---- */

struct rn_dump_writer {
    int fd;
    int err; /* the first failure; latches */
    uint8_t *buf;
    size_t len;
    size_t cap;
    size_t frame_at; /* start of the open frame */
};

RN_MUST_USE int rn_dump_writer_init(struct rn_dump_writer *w, int fd);
void rn_dump_writer_fini(struct rn_dump_writer *w);
void rn_dump_header(struct rn_dump_writer *w);
/* A frame is open between these two; the puts between them are its payload. */
void rn_dump_begin(struct rn_dump_writer *w, enum rn_dump_type type, uint16_t table);
void rn_dump_end(struct rn_dump_writer *w);
void rn_dump_u8(struct rn_dump_writer *w, uint8_t v);
void rn_dump_u32(struct rn_dump_writer *w, uint32_t v);
void rn_dump_u64(struct rn_dump_writer *w, uint64_t v);
void rn_dump_bytes(struct rn_dump_writer *w, struct rn_view v);
/* Cut at 65535 bytes. */
void rn_dump_text(struct rn_dump_writer *w, struct rn_view v);
void rn_dump_str(struct rn_dump_writer *w, const char *s);

struct rn_dump_note {
    uint32_t seq;
    const char *what;
    const char *id;
    int err;         /* its text is the note's why */
    const char *why; /* instead of @err's text */
    const char *needs;
};

void rn_dump_note(struct rn_dump_writer *w, const struct rn_dump_note *note);
/* Writes all out. Errors: host; a closed reader is EPIPE. */
RN_MUST_USE int rn_dump_flush(struct rn_dump_writer *w);
/* Throws away what was written, and not yet flushed, since w->len was @len: answers from a table that changed. */
void rn_dump_rewind(struct rn_dump_writer *w, size_t len);

/* ---- reading ---- */

/* A stream arriving in pieces: from a pipe, a file, or memory. */
struct rn_dump_reader {
    int fd; /* -1: memory only */
    uint8_t *buf;
    size_t start;
    size_t end;
    size_t cap;
    int patience_ms; /* how long a read may bring nothing; 0: for ever. Then TIMED_OUT */
    int tee_fd;      /* every byte read is also written here; -1: nowhere */
    bool has_header;
};

void rn_dump_reader_init(struct rn_dump_reader *r, int fd);
/* The whole stream in memory (borrows). */
void rn_dump_reader_init_view(struct rn_dump_reader *r, struct rn_view stream);
void rn_dump_reader_fini(struct rn_dump_reader *r);
/* The next frame, valid until the next call. 1: a frame; 0: the stream ended.
 * Errors: VERSION (other format or byte order), MALFORMED (cut or oversized frame), NOMEM, host. */
RN_MUST_USE int rn_dump_next(struct rn_dump_reader *r, struct rn_dump_frame *ret);
/* A text field of a payload. */
struct rn_view rn_dump_read_text(struct rn_reader *r);
