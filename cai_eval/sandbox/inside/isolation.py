"""Which layers stand around a program, for each back end."""

import glob
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from . import landlock, namespaces
from .seccomp import Filter
from .system import PR_SET_PDEATHSIG, drop_capabilities, prctl

NOBODY = 65534


class Isolation(NamedTuple):
    """What the zygote does before it serves, in each program before it runs, and after each program; and the layers."""

    prepare: Callable[[], object]
    confine: Callable[[], None]
    clean: Callable[[], None]
    closed: tuple[str, ...]
    open: tuple[str, ...]


def readable() -> list[str]:
    """The files that a program may read: the standard library and what its extension modules load."""
    prefixes = {sys.base_prefix, sys.base_exec_prefix, "/usr", ""}
    libraries = [f"{prefix}/{folder}" for prefix in sorted(prefixes) for folder in ("lib", "lib64")]
    return [*libraries, "/etc/ld.so.cache", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom"]


def packages() -> list[str]:
    """The folders of installed packages within `readable`: of no use to programs, and tests may lie there."""
    return [path for folder in readable() for path in glob.glob(f"{glob.escape(folder)}/python3*/*-packages")]


def isolate(backend: str, limits: dict[str, Any]) -> Isolation:
    """Enter the back end's isolation as far as this process can. Raises OSError where the kernel refuses it."""
    if backend == "namespaces":
        return _within_namespaces(limits["disk"])
    filtered, closed, still_open = _filter(writing=False)
    uid = NOBODY if _open_to_all(readable()) and _succeeds(lambda: _become(NOBODY)) else None

    def prepare() -> None:
        _leave_groups(uid)
        if backend == "landlock":
            landlock.restrict(readable())

    if backend == "bwrap":
        closed = ["bubblewrap's namespaces", *closed]
    elif backend == "landlock":
        closed = [f"Landlock: no {', '.join(landlock.gives_up())}", *closed]
    else:
        still_open.append("programs can read every file, and the memory of processes, that their uid may read")
    if backend != "filter" and packages():
        still_open.append("programs can read the packages installed beside the interpreter, and tests among them")
    return _layers(uid, filtered, prepare, lambda: None, closed, still_open)


def _within_namespaces(disk: int) -> Isolation:
    filtered, closed, still_open = _filter(writing=True)
    uid = namespaces.enter(readable(), packages(), disk) or None
    pristine = _scratch()

    def prepare() -> None:
        _leave_groups(uid)
        os.chdir(namespaces.SCRATCH)

    def clean() -> None:
        nonlocal pristine
        if _scratch() != pristine:
            namespaces.renew_scratch(disk)
            os.chdir(namespaces.SCRATCH)
            pristine = _scratch()

    closed = [
        "user, mount, network, IPC, UTS and process namespaces",
        "a read-only root of a few folders",
        f"a private temporary folder of {disk >> 20} MiB",
        *closed,
    ]
    return _layers(uid, filtered, prepare, clean, closed, still_open)


def _layers(
    uid: int | None,
    filtered: Callable[[], None],
    prepare: Callable[[], None],
    clean: Callable[[], None],
    closed: list[str],
    still_open: list[str],
) -> Isolation:
    """What all back ends have in common."""
    if uid is None:
        still_open = [*still_open, "programs run under the user's own uid"]
    else:
        closed = [*closed, "a uid of its own"]
    closed = [*closed, "no capabilities", "resource limits"]
    return Isolation(prepare, lambda: _confine(uid, filtered), clean, tuple(closed), tuple(still_open))


def _leave_groups(uid: int | None) -> None:
    """Take the groups of the programs, once for all of them."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)


def _confine(uid: int | None, filtered: Callable[[], None]) -> None:
    """Give up this process's powers; a change of uid away from root takes the capabilities with it."""
    if uid is None:
        drop_capabilities()
    else:
        os.setresuid(uid, uid, uid)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # the change of uid has cleared it, and the filter keeps it
    filtered()


def _scratch() -> tuple[int, ...]:
    """What changes when anything changes in the temporary folder."""
    folder, system = os.stat(namespaces.SCRATCH), os.statvfs(namespaces.SCRATCH)
    return folder.st_dev, folder.st_mode, folder.st_ctime_ns, system.f_bfree, system.f_ffree


def _filter(writing: bool) -> tuple[Callable[[], None], list[str], list[str]]:
    """How to lay on the filter, what it closes and what its absence leaves open."""
    try:
        layer = Filter(writing)
    except KeyError:
        return _forbid_children, [], ["every system call: no filter for this kind of machine"]
    if not _succeeds(layer.install):
        return _forbid_children, [], ["every system call: the kernel refuses a filter"]
    what = "" if writing else ", nor change a file"
    return layer.install, [f"a system-call filter: programs cannot start, reach or signal a process{what}"], []


def _succeeds(step: Callable[[], None]) -> bool:
    """Whether a process can take the step, tried in a child."""
    child = os.fork()
    if child == 0:
        try:
            step()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _become(uid: int) -> None:
    _leave_groups(uid)
    os.setresuid(uid, uid, uid)


def _forbid_children() -> None:
    """What is left without a filter; it does not bind root."""
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _open_to_all(paths: list[str]) -> bool:
    """Whether another user could read the paths."""
    for path in filter(os.path.exists, paths):
        while path != "/":
            needed = 0o005 if os.path.isdir(path) else 0o004
            if os.stat(path).st_mode & needed != needed:
                return False
            path = os.path.dirname(path)
    return True
