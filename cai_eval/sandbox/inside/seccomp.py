"""A system-call filter, assembled by hand: what a program may ask of the kernel, and what ends it."""

import ctypes
import os
import struct

from .syscalls import AUDIT_ARCHITECTURES, OPENING, PLAIN, REFUSED, WRITING, numbers
from .system import PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, prctl

ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
ENOSYS, EACCES = 38, 13
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
MODE_FILTER = 2
F_SETOWN, F_DUPFD_CLOEXEC = 8, 1030  # the first command to refuse, and the first to allow again
X32 = 0x40000000  # where the x32 calls of x86-64 begin
CREATES_OR_WRITES = 0o1 | 0o2 | 0o100 | 0o1000 | 0o20000000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, the bit of O_TMPFILE

Code = list[tuple[int, int, int, int]]
"""Instructions: operation, jump if true, jump if false, operand."""

ALLOWED: Code = [(RETURN, 0, 0, ALLOW)]
KILLED: Code = [(RETURN, 0, 0, KILL_PROCESS)]
UNKNOWN: Code = [(RETURN, 0, 0, ERRNO | ENOSYS)]
CONTROL: Code = [  # fcntl: not the commands by which a file sends signals, nor leases on what others use
    (LOAD, 0, 0, ARGUMENTS + 8),
    (JUMP_AT_LEAST, 0, 2, F_SETOWN),
    (JUMP_AT_LEAST, 1, 0, F_DUPFD_CLOEXEC),
    (RETURN, 0, 0, ERRNO | EACCES),
    *ALLOWED,
]


def assemble(machine: str, writing: bool) -> bytes:
    """The filter for a kind of machine; `writing` lets a program change files where it finds some that it may change.

    A call in `REFUSED` kills the process with SIGSYS, which is how it is told from a failure; a call that is in no
    list does not exist (ENOSYS). Raises KeyError for a machine whose call numbers we do not know.
    """
    known = numbers(machine)
    verdicts = {known[name]: KILLED for name in REFUSED if name in known}
    verdicts |= {known[name]: ALLOWED for name in (*PLAIN, *(WRITING if writing else ())) if name in known}
    verdicts |= {known[name]: ALLOWED if writing else _reads_only(i) for name, i in OPENING.items() if name in known}
    verdicts[known["fcntl"]] = CONTROL
    ranges: list[tuple[int, Code]] = []
    for number in range(max(verdicts) + 2):
        verdict = verdicts.get(number, UNKNOWN)
        if not ranges or ranges[-1][1] != verdict:
            ranges.append((number, verdict))
    ranges.append((X32, KILLED))
    code = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, AUDIT_ARCHITECTURES[machine]),
        *KILLED,
        (LOAD, 0, 0, NUMBER),
        *_search(ranges),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def _reads_only(flags: int) -> Code:
    """Allow the call unless the flags, the argument of that index, ask for more than reading."""
    return [
        (LOAD, 0, 0, ARGUMENTS + 8 * flags),
        (JUMP_ANY_BIT, 0, 1, CREATES_OR_WRITES),
        (RETURN, 0, 0, ERRNO | EACCES),
        *ALLOWED,
    ]


def _search(ranges: list[tuple[int, Code]]) -> Code:
    """Binary search for the range of a number: the kernel tries every number when a filter is installed."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    low, high = _search(ranges[:middle]), _search(ranges[middle:])
    return [(JUMP_AT_LEAST, len(low), 0, ranges[middle][0]), *low, *high]


class Filter:
    """A filter ready to be laid on a process; kept in memory, for it is installed once a program."""

    def __init__(self, writing: bool) -> None:
        code = assemble(os.uname().machine, writing)
        self._code = ctypes.create_string_buffer(code, len(code))
        self._header = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(self._code))

    def install(self) -> None:
        """Filter this process and all it may start, for ever. Raises OSError where the kernel refuses."""
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        prctl(PR_SET_SECCOMP, MODE_FILTER, self._header)
