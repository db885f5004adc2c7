"""Landlock: where namespaces are refused, a process can still give up files, TCP ports and signals by itself."""

import os
from collections.abc import Sequence

from .system import PR_SET_NO_NEW_PRIVS, call, prctl

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every machine
VERSION_QUERY, BENEATH = 1, 1
READ_FILE, READ_FOLDER = 1 << 2, 1 << 3
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # ABI version → number of rights over files that it knows
TCP_SINCE, SCOPES_SINCE = 4, 6
BOTH_TCP, BOTH_SCOPES = 0b11, 0b11


def version() -> int:
    """The kernel's version of Landlock. Raises OSError where it has none."""
    return call("syscall", CREATE_RULESET, None, 0, VERSION_QUERY)


def gives_up() -> tuple[str, ...]:
    """What `restrict` takes away on this kernel."""
    return ("other files", "TCP", "signals to others")[: 1 + (version() >= TCP_SINCE) + (version() >= SCOPES_SINCE)]


def restrict(readable: Sequence[str]) -> None:
    """Leave this process and its children `readable`, read-only, and no other file.

    Raises OSError where the kernel has no Landlock or refuses it.
    """
    known = version()
    rights = (1 << FILE_RIGHTS[min(known, max(FILE_RIGHTS))]) - 1
    attributes = rights.to_bytes(8, "little")
    if known >= TCP_SINCE:
        attributes += BOTH_TCP.to_bytes(8, "little")
    if known >= SCOPES_SINCE:
        attributes += BOTH_SCOPES.to_bytes(8, "little")
    rules = call("syscall", CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for path in readable:
            if os.path.exists(path):
                _allow(rules, path)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        call("syscall", RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str) -> None:
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        access = READ_FILE | READ_FOLDER if os.path.isdir(path) else READ_FILE
        rule = access.to_bytes(8, "little") + file.to_bytes(4, "little")
        call("syscall", ADD_RULE, rules, BENEATH, rule, 0)
    finally:
        os.close(file)
