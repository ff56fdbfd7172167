#!/usr/bin/env python3
"""What `runnel map` finds through mount namespaces that only a descriptor keeps. The kernel lists them only to those in
the initial PID namespace, so these tests, unlike all others, stay in the one they were started in."""
import fcntl
import os
import struct

import rig
from map_rig import Map, hold

# A child takes a network and a mount namespace of its own and binds the one in the other; the holder keeps a
# descriptor of the mount namespace, and the child ends.
BIND = r"""
ready, done = os.pipe(), os.pipe()
if os.fork() == 0:
    assert libc.unshare(0x20000) == 0 and libc.mount(b"none", b"/", None, 0x44000, None) == 0
    ino = fresh()
    assert libc.mount(b"/proc/thread-self/ns/net", b"{point}", None, 0x1000, None) == 0
    os.write(ready[1], str(ino).encode()); os.read(done[0], 1); os._exit(0)
ino = os.read(ready[0], 32)
child = int(open("/proc/thread-self/children").read().split()[0])
kept.append(os.open(f"/proc/{{child}}/ns/mnt", os.O_RDONLY))
os.write(done[1], b"x"); os.wait()
print(int(ino))
"""


def need_list():
    try:
        with open("/proc/self/ns/mnt") as own:
            fd = fcntl.ioctl(own, 0x8010b70b, bytearray(struct.pack("=IIQ", 16, 0, 0)))  # NS_MNT_GET_NEXT
            os.close(fd)
    except FileNotFoundError:
        pass  # ours is the last one
    except OSError as refused:
        rig.skip(f"mount namespaces are not listed to us: {refused.strerror}")


def bound(name):
    point = rig.workdir() / name
    point.touch()
    program, words = hold(BIND.format(point=point))
    return program, int(words[0]), str(point)


@rig.test
def a_namespace_bound_in_a_mount_namespace_that_only_a_descriptor_keeps_is_found():
    need_list()
    program, inode, point = bound("bound")

    net = Map().by_inode.get(inode)

    assert net is not None, "nobody found it"
    assert net["entered"] and [link["name"] for link in net["links"]] == ["lo"], net
    assert [(ref["found_by"], ref["path"]) for ref in net["refs"]] == [("bind", point)], net["refs"]
    rig.stop(program)
    assert inode not in Map().by_inode, "with its last descriptor it is gone"


@rig.test
def several_of_them_are_all_found():
    need_list()
    inodes = {bound(f"bound{i}")[1] for i in range(5)}

    assert inodes <= set(Map().by_inode)


if __name__ == "__main__":
    rig.main(stays_in_pids=True)
