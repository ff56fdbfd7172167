#pragma once
/*
 * A packet script as a value: what parse.c makes of the text and run.c plays. The language is that of
 * google/packetdrill (README.md says which part), with two additions: "<#2" and ">#2" name the second, third, ...
 * connection of a script.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory of one script; freed as a whole. */
struct arena {
    struct arena_block *blocks;
};

/* Zeroed; never fails (a test that is out of memory ends). */
void *arena_new(struct arena *arena, size_t bytes);
void arena_free(struct arena *arena);

/* --- arguments and results of calls --------------------------------------------------------------------------- */

enum value_kind {
    VALUE_INT,
    VALUE_STRING,
    VALUE_ELLIPSIS, /* ... : anything, or the default */
    VALUE_LIST,     /* [a, b] */
    VALUE_STRUCT,   /* {name = a, b} */
    VALUE_CALL,     /* htons(80), inet_addr("1.2.3.4") */
};

struct value {
    enum value_kind kind;
    int64_t num;         /* INT; symbols and their | are resolved by the parser */
    const char *text;    /* STRING: contents; CALL: what is called */
    const char *name;    /* of a member of a STRUCT; NULL: none */
    struct value *first; /* members of LIST, STRUCT, CALL */
    struct value *next;  /* the next member or argument */
};

struct call {
    const char *name;
    struct value *args;
    struct value *result; /* INT or ELLIPSIS ("?") */
    int err_no;           /* of "= -1 EPIPE"; 0: none named */
    bool is_blocking;     /* "+0...0.2 read(...)": starts at event.at, ends at .end_us */
    int64_t end_us;       /* relative as the event is */
};

/* --- packets ---------------------------------------------------------------------------------------------------- */

enum { OPT_EOL = 0, OPT_NOP = 1, OPT_MSS = 2, OPT_WSCALE = 3, OPT_SACK_OK = 4, OPT_SACK = 5 };
enum { OPT_TS = 8, OPT_FASTOPEN = 34, OPTS_MAX = 24, OPT_BYTES_MAX = 38 };
enum { OPT_ACCECN0 = 172, OPT_ACCECN1 = 174 };

struct tcp_opt {
    uint8_t kind;
    uint8_t n_sack;
    uint8_t n_bytes; /* of a kind that has no fields here */
    uint32_t val;    /* MSS, window scale, TSval */
    uint32_t ecr;
    uint32_t sack[4][2];
    uint8_t bytes[OPT_BYTES_MAX];
};

enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4, FLAG_PSH = 8, FLAG_ACK = 16, FLAG_URG = 32 };
enum { FLAG_ECE = 64, FLAG_CWR = 128, FLAG_AE = 256, FLAG_ACE_SHIFT = 6, FLAG_ACE_MASK = 448 };

enum ecn { ECN_NONE, ECN_ECT1, ECN_ECT0, ECN_CE, ECN_ECT01, ECN_ANY };

/* A TCP segment or ICMP message in a script's numbers (sequence numbers relative to its ISNs), written or seen. */
struct packet {
    bool is_in;
    bool is_icmp;
    bool is_v6;
    unsigned flow; /* 0: the usual one; else of "<#2" */
    enum ecn ecn;
    int tos; /* -1: not said */
    int ttl; /* -1: not said */
    /* TCP */
    unsigned flags;
    uint32_t seq;
    uint32_t len;
    bool has_ack; /* the ack number counts (flags alone decide about the bit) */
    uint32_t ack;
    bool has_win;
    uint32_t win;
    uint32_t urg;
    bool any_opts; /* <...> */
    unsigned n_opts;
    struct tcp_opt opts[OPTS_MAX];
    /* ICMP */
    uint8_t icmp_type;
    uint8_t icmp_code;
    uint32_t mtu;
    bool has_quote; /* [seq:end(len)] of the packet complained about */
    uint32_t quote_seq;
    uint32_t quote_len;
};

/* --- events ----------------------------------------------------------------------------------------------------- */

enum event_kind { EVENT_PACKET, EVENT_CALL, EVENT_CODE, EVENT_COMMAND };
enum time_kind { TIME_ABSOLUTE, TIME_RELATIVE, TIME_ANY };

struct event {
    struct event *next;
    int line;
    enum event_kind kind;
    enum time_kind time_kind;
    int64_t at_us;
    int64_t until_us; /* of a range; else equal to at_us */
    union {
        struct packet *packet;
        struct call *call;
        const char *text; /* CODE, COMMAND */
    };
};

struct script_opts {
    bool is_v6;
    bool is_strict; /* every packet must be named, each segment alone */
    uint32_t mtu;
    int64_t tolerance_us;
    int64_t ts_tick_us; /* 0: timestamps that leave are not checked */
};

struct script {
    const char *path;
    struct arena arena;
    struct script_opts opts;
    struct event *first;
    unsigned n_events;
};

/* Parses @text (NUL-terminated). @ret->opts holds the family and MTU (0: 1500) of scripts that do not say. false: @ret_error (freed with the arena)
 * says "path:line: what". script_free() either way. */
bool script_parse(struct script *ret, const char *path, const char *text, const char **ret_error);
void script_free(struct script *script);

/* Linux has a sysctl for these and no option; scripts set them by our names, RN_TCP_ECN and so on. */
enum {
    FACE_TCP_ECN = 10001,
    FACE_TCP_TIMESTAMPS,
    FACE_TCP_SACK,
    FACE_TCP_WSCALE,
    FACE_TCP_RCVBUF_MOST,
    FACE_TCP_BURST_SEGS
};

/* symbols.c: AF_INET, O_NONBLOCK, ... false: unknown. */
bool symbol_find(const char *name, size_t len, int64_t *ret);
/* Names of errno values: "EAGAIN"; never NULL. */
const char *errno_name(int err_no);
