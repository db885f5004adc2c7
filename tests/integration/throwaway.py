"""A throw-away root: run a command where nothing that it does can reach this machine.

    python throwaway.py COMMAND...

Own mount, process, network, IPC and user namespaces; every mount read-only; empty folders of at most 2 GiB over the
temporary ones, /dev/shm, /run and the home folder; a /dev of a few harmless nodes. Who is root here is nobody outside.
Exit code 77 where the kernel does not grant this; the command is then not run.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

UNAVAILABLE = 77
REPOSITORY = Path(__file__).parents[2]
NEW_USER, NEW_PROCESSES, NEW_REST = 0x10000000, 0x20000000, 0x00020000 | 0x04000000 | 0x08000000 | 0x40000000
BIND, MOVE, RECURSIVE, PRIVATE = 4096, 8192, 16384, 1 << 18
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, READ_ONLY, NOSUID = 442, -100, 0x8000, 1, 2
STRANGERS = 64000  # uids without a name that stand for root and nobody
MEMORY = 3 << 30
BOUNDS = {"memory": ("memory.limit_in_bytes", MEMORY), "pids": ("pids.max", 200)}
NODES = ("full", "null", "random", "tty", "urandom", "zero")
EMPTIED = ("/var/tmp", "/run", "/dev/shm")

_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: int | bytes | None) -> None:
    if getattr(_libc, name)(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)) == -1:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str | Path, kind: str | None = None, flags: int = 0, options: str = "") -> None:
    call("mount", source.encode(), str(target).encode(), kind and kind.encode(), flags, options.encode())


def groups() -> list[Path]:
    """The cgroups of this throw-away root."""
    return [Path("/sys/fs/cgroup", controller, f"throwaway-{os.getpid()}") for controller in BOUNDS]


def cap(groups: list[Path]) -> None:
    """Bound memory and processes: by cgroups where there are some to be had, and by the limits of a process."""
    for group, (setting, value) in zip(groups, BOUNDS.values(), strict=True):
        try:
            group.mkdir()
            (group / setting).write_text(str(value))
            (group / "cgroup.procs").write_text(str(os.getpid()))
        except OSError:
            continue
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def furnish() -> None:
    """Make every mount read-only and put empty folders over those where programs write."""
    mount("none", "/", flags=RECURSIVE | PRIVATE)
    home = os.path.expanduser("~")
    kept = sorted({os.path.realpath(path) for path in (sys.base_prefix, sys.prefix, REPOSITORY)})
    call(
        "syscall",
        MOUNT_SETATTR,
        AT_FDCWD,
        b"/",
        AT_RECURSIVE,
        (READ_ONLY | NOSUID).to_bytes(8, "little") + bytes(24),
        32,
    )
    mount("throwaway", "/tmp", "tmpfs", options="size=2g,mode=1777")
    for index, path in enumerate(kept):
        os.makedirs(f"/tmp/kept/{index}")
        mount(path, f"/tmp/kept/{index}", flags=BIND | RECURSIVE)
    os.mkdir("/tmp/dev")
    mount("throwaway", "/tmp/dev", "tmpfs", options="size=1m,mode=755")
    for node in NODES:
        Path("/tmp/dev", node).touch()
        mount(f"/dev/{node}", f"/tmp/dev/{node}", flags=BIND)
    os.mkdir("/tmp/dev/shm")
    mount("/tmp/dev", "/dev", flags=MOVE)
    for folder in (*EMPTIED, home):
        if os.path.isdir(folder):
            mount("throwaway", folder, "tmpfs", options="size=64m,mode=1777")
    for index, path in enumerate(kept):
        if not os.path.exists(path):
            os.makedirs(path)
            mount(f"/tmp/kept/{index}", path, flags=BIND | RECURSIVE)
        call("umount2", f"/tmp/kept/{index}".encode(), 2)
        os.rmdir(f"/tmp/kept/{index}")
    os.rmdir("/tmp/kept")
    os.rmdir("/tmp/dev")
    mount("proc", "/proc", "proc")


def write_maps(pid: int, users: dict[int, int], groups: dict[int, int]) -> None:
    """Give a process's user namespace its users and groups: inner → outer."""
    if len(groups) == 1:
        Path(f"/proc/{pid}/setgroups").write_text("deny")
    for name, ids in (("uid_map", users), ("gid_map", groups)):
        Path(f"/proc/{pid}/{name}").write_text("\n".join(f"{inner} {outer} 1" for inner, outer in ids.items()))


def forsake_root(ask: Callable[[], None]) -> None:
    """Enter a user namespace in which root is a stranger; `ask` has the map written from outside."""
    call("unshare", NEW_USER)
    ask()
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def inside(command: list[str], ask: Callable[[], None], root: bool) -> None:
    """Furnish the root and become the command."""
    call("unshare", NEW_REST)
    furnish()
    if root:
        forsake_root(ask)
    os.chdir("/tmp")
    os.execve(command[0], command, {"PATH": os.environ.get("PATH", ""), "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"})


def main() -> int:
    command, root = sys.argv[1:], os.geteuid() == 0
    user, group = os.geteuid(), os.getegid()
    wish, answer = os.pipe(), os.pipe()

    def ask() -> None:
        os.write(wish[1], b".")
        os.read(answer[0], 1)

    try:
        if not root:
            call("unshare", NEW_USER)
            write_maps(os.getpid(), {0: user}, {0: group})
        call("unshare", NEW_PROCESSES)
    except OSError as error:
        print(f"no throw-away root: {error}", file=sys.stderr)
        return UNAVAILABLE
    bounded = groups()
    child = os.fork()
    if child == 0:
        os.close(answer[1])
        call("prctl", 1, signal.SIGKILL, 0, 0, 0)  # not longer than the process that started us
        try:
            cap(bounded)
            inside(command, ask, root)
        except OSError as error:
            print(f"no throw-away root: {error}", file=sys.stderr)
        os._exit(UNAVAILABLE)
    os.close(wish[1])
    if root and os.read(wish[0], 1):
        strangers = {0: STRANGERS, 65534: STRANGERS + 1}
        write_maps(child, strangers, strangers)
        os.write(answer[1], b".")
    _, status = os.waitpid(child, 0)
    for group in bounded:
        if group.exists():
            group.rmdir()
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
