"""A world of its own: user, mount, network, IPC, UTS and process namespaces, on a root of a few read-only folders."""

import os
from collections.abc import Sequence

from .system import call

NEW_USER, NEW_ALL_ELSE = 0x10000000, 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
NOSUID, NODEV, NOEXEC, READ_ONLY, REMOUNT, BIND, RECURSIVE, PRIVATE = 2, 4, 8, 1, 32, 4096, 16384, 1 << 18
DETACH = 2
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000

SCRATCH = "/tmp"
NOBODY = 65534
PROGRAM_UID = 1  # within the namespace


def enter(readable: Sequence[str], hidden: Sequence[str], scratch: int) -> int:
    """Leave the machine: this process keeps its pid, its children will start a new process namespace.

    Of the files, only `readable` stay, read-only, and of these the folders `hidden` are empty; `/tmp` is a private
    folder of `scratch` bytes. Returns the uid that a program can take: one of its own where this user may map two, else
    0, which is this user without capabilities.
    Raises OSError where the kernel refuses; the process is then unfit for use.
    """
    binds = [(path, os.path.realpath(path)) for path in readable if os.path.exists(path)]
    if any(name.startswith(f"{SCRATCH}/") for name, _ in binds):
        raise FileNotFoundError(f"the interpreter lies in {SCRATCH}, where programs have their private folder")
    uid = _own_user()
    call("unshare", NEW_ALL_ELSE)
    call("mount", b"none", b"/", None, RECURSIVE | PRIVATE, None)
    _new_root(binds)
    for folder in hidden:
        call("mount", b"none", folder.encode(), b"tmpfs", NOSUID | NODEV | READ_ONLY, b"size=4k,mode=555")
    mount_scratch(scratch)
    return uid


def mount_scratch(size: int) -> None:
    """Mount an empty `/tmp` that anyone may fill up to `size` bytes."""
    options = f"mode=1777,size={size},nr_inodes=4096".encode()
    call("mount", b"scratch", SCRATCH.encode(), b"tmpfs", NOSUID | NODEV | NOEXEC, options)


def renew_scratch(size: int) -> None:
    """Replace `/tmp`, whatever is in it, by an empty one."""
    call("umount2", SCRATCH.encode(), DETACH)
    mount_scratch(size)


def _own_user() -> int:
    """Enter a user namespace; a helper that stays outside writes the map, since only it may map a second uid."""
    outer = os.geteuid(), os.getegid()
    entered, enter = os.pipe()
    helper = os.fork()
    if helper == 0:
        os.close(enter)
        os.read(entered, 1)
        os._exit(0 if _write_maps(os.getppid(), outer, two=True) or _write_maps(os.getppid(), outer, two=False) else 1)
    os.close(entered)
    call("unshare", NEW_USER)
    os.close(enter)
    if os.waitpid(helper, 0)[1] != 0:
        raise PermissionError("the user map cannot be written")
    try:
        os.setresgid(PROGRAM_UID, PROGRAM_UID, 0)
        os.setresgid(0, 0, 0)
    except OSError:
        return 0
    return PROGRAM_UID


def _write_maps(pid: int, outer: tuple[int, int], two: bool) -> bool:
    try:
        if not two:
            _write(f"/proc/{pid}/setgroups", "deny")
        for name, number in zip(("uid_map", "gid_map"), outer, strict=True):
            second = f"\n{PROGRAM_UID} {NOBODY} 1" if two else ""
            _write(f"/proc/{pid}/{name}", f"0 {number} 1{second}")
    except OSError:
        return False
    return True


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _new_root(binds: Sequence[tuple[str, str]]) -> None:
    """Pivot to an empty root that shows each real path, read-only, under its name."""
    call("mount", b"root", SCRATCH.encode(), b"tmpfs", NOSUID | NODEV, b"mode=755,size=1m")
    os.chdir(SCRATCH)
    os.mkdir("old")
    call("pivot_root", b".", b"old")
    os.chdir("/")
    for name, real in sorted(binds):
        if os.path.lexists(name):
            continue  # inside a folder that is already there
        if os.path.isdir("/old" + real):
            os.makedirs(name)
        else:
            os.makedirs(os.path.dirname(name), exist_ok=True)
            os.close(os.open(name, os.O_CREAT))
        call("mount", f"/old{real}".encode(), name.encode(), None, BIND | RECURSIVE, None)
        attributes = (READ_ONLY | NOSUID).to_bytes(8, "little") + bytes(24)
        call("syscall", MOUNT_SETATTR, AT_FDCWD, name.encode(), AT_RECURSIVE, attributes, len(attributes))
    call("umount2", b"/old", DETACH)
    os.rmdir("/old")
    os.mkdir(SCRATCH)
    call("mount", b"none", b"/", None, REMOUNT | BIND | READ_ONLY | NOSUID | NODEV, None)
