#pragma once
/* A network namespace of this process's own, for tests of devices that only a kernel makes. */
#include <stdbool.h>

/* Enters a fresh one with IPv6 off, so that the kernel says nothing of itself. false, with the reason printed: not allowed here. */
bool native_enter(void);
/* A veth pair va - vb, both up, of @mtu. */
void native_veth(unsigned mtu);
/* Leaves the namespace for a fresh one; with its last socket all of the old one vanishes. */
void native_forget(void);
void native_lower(const char *ifname);
/* Of a link that is down. */
void native_rename(const char *ifname, const char *to);
/* Namespaces: ours, going (back) to one, and a link's going. */
int native_open(void);
void native_return(int netns);
void native_move(const char *ifname, int netns);
/* Sets MTU and raises a link. */
void native_up(const char *ifname, unsigned mtu);
void native_down(const char *ifname);
