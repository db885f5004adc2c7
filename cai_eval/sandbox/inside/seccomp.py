"""A system-call filter, assembled by hand: what a program may ask of the kernel, and what ends it."""

import ctypes
import platform
import struct

from .syscalls import AUDIT_ARCHITECTURES, OPENING, PLAIN, REFUSED, WRITING, numbers
from .system import PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, prctl

ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
ENOSYS, EACCES = 38, 13
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
MODE_FILTER = 2
CREATES_OR_WRITES = 0o1 | 0o2 | 0o100 | 0o1000 | 0o20000000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, the bit of O_TMPFILE


def assemble(machine: str, writing: bool) -> bytes:
    """The filter for a kind of machine; `writing` lets a program change files where it finds some that it may change.

    A call in `REFUSED` kills the process with SIGSYS, which is how it is told from a failure; a call that is in no
    list does not exist (ENOSYS). Raises KeyError for a machine whose call numbers we do not know.
    """
    known = numbers(machine)
    code = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, AUDIT_ARCHITECTURES[machine]),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER),
        (JUMP_AT_LEAST, 0, 1, 0x40000000),  # the x32 calls of x86-64
        (RETURN, 0, 0, KILL_PROCESS),
    ]
    for name in (*PLAIN, *(WRITING if writing else ())):
        if name in known:
            code += [(JUMP_EQUAL, 0, 1, known[name]), (RETURN, 0, 0, ALLOW)]
    for name, flags in OPENING.items():
        if name in known and writing:
            code += [(JUMP_EQUAL, 0, 1, known[name]), (RETURN, 0, 0, ALLOW)]
        elif name in known:
            code += [
                (JUMP_EQUAL, 0, 4, known[name]),
                (LOAD, 0, 0, ARGUMENTS + 8 * flags),
                (JUMP_ANY_BIT, 0, 1, CREATES_OR_WRITES),
                (RETURN, 0, 0, ERRNO | EACCES),
                (RETURN, 0, 0, ALLOW),
            ]
    for name in REFUSED:
        if name in known:
            code += [(JUMP_EQUAL, 0, 1, known[name]), (RETURN, 0, 0, KILL_PROCESS)]
    code.append((RETURN, 0, 0, ERRNO | ENOSYS))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


class Filter:
    """A filter ready to be laid on a process; kept in memory, for it is installed once a program."""

    def __init__(self, writing: bool) -> None:
        code = assemble(platform.machine(), writing)
        self._code = ctypes.create_string_buffer(code, len(code))
        self._header = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(self._code))

    def install(self) -> None:
        """Filter this process and all it may start, for ever. Raises OSError where the kernel refuses."""
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        prctl(PR_SET_SECCOMP, MODE_FILTER, self._header)
