"""Calls to the kernel that Python has no name for."""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Call a function of the C library by name. Raises OSError with the name when it returns -1."""
    result: int = getattr(_libc, name)(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def prctl(option: int, *arguments: int | bytes) -> None:
    """Change a property of this process."""
    call("prctl", option, *arguments, *([0] * (4 - len(arguments))))


def drop_capabilities() -> None:
    """Give up every capability of this thread."""
    version_3 = (0x20080522).to_bytes(4, "little") + bytes(4)
    call("capset", version_3, bytes(24))
