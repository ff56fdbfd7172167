#!/usr/bin/env python3
"""Writes the list of system calls that the sandboxed worker may make.

Sources say beside each call what it needs:      n = readv(fd, iov, 3); /* syscalls: readv */
Only code that the worker runs carries such comments. What is not listed kills the worker, so a call that was added
without its comment is found by the first test that reaches it.
"""
import pathlib
import re
import sys

COMMENT = re.compile(r'/\*\s*syscalls:([^*]*)\*/')
NAME = re.compile(r'^[a-z][a-z0-9_]*$')
ARCHES = [('__x86_64__', 'AUDIT_ARCH_X86_64'), ('__aarch64__', 'AUDIT_ARCH_AARCH64'),
          ('__riscv', 'AUDIT_ARCH_RISCV64')]


def collect(sources):
    """Name of each system call -> the places that want it."""
    wanted = {}
    for path in sources:
        text = path.read_text()
        for match in COMMENT.finditer(text):
            line = text.count('\n', 0, match.start()) + 1
            for name in match.group(1).split():
                if not NAME.match(name):
                    sys.exit(f'{path}:{line}: not the name of a system call: {name}')
                wanted.setdefault(name, []).append(f'{path.parent.name}/{path.name}')
    return wanted


def header(wanted):
    out = ['/* Made by tools/gen-seccomp.py from the comments beside the calls; not for editing. */',
           '#include <linux/audit.h>', '#include <stdint.h>', '#include <sys/syscall.h>', '']
    for i, (macro, arch) in enumerate(ARCHES):
        out += [f'#{"if" if i == 0 else "elif"} defined({macro})', f'#define RN_SECCOMP_ARCH {arch}']
    out += ['#else', '#error "gen-seccomp.py does not know this machine"', '#endif', '',
            'static const struct {', '    uint32_t nr;', '    const char *name;', '} rn_syscalls[] = {']
    for name in sorted(wanted):
        places = ' '.join(sorted(set(wanted[name])))
        out += [f'#ifdef __NR_{name}', f'    {{ __NR_{name}, "{name}" }}, /* {places} */', '#endif']
    return '\n'.join(out + ['};', ''])


def main():
    if len(sys.argv) < 4:
        sys.exit('usage: gen-seccomp.py HEADER DEPFILE FOLDER...')
    target, depfile, folders = sys.argv[1], sys.argv[2], sys.argv[3:]
    sources = sorted(p for f in folders for p in pathlib.Path(f).glob('*.c') if not p.name.endswith('_test.c'))
    # a folder's meson.build changes when a source comes or goes
    watched = sources + [p / 'meson.build' for p in map(pathlib.Path, folders) if (p / 'meson.build').exists()]
    wanted = collect(sources)
    if not wanted:
        sys.exit('no "syscalls:" comment found: the list would kill at once')
    pathlib.Path(target).write_text(header(wanted))
    pathlib.Path(depfile).write_text(f'{target}: ' + ' '.join(str(p) for p in watched) + '\n')


if __name__ == '__main__':
    main()
