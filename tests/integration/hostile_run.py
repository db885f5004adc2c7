"""Run the hostile programs with one back end, in a throw-away root only; prints what happened as JSON.

python throwaway.py PYTHON hostile_run.py BACKEND REPOSITORY
"""

import json
import os
import sys
import time
from pathlib import Path

from throwaway import NODES

SECONDS = 2.0
WRITABLE = ("/tmp", "/var/tmp", "/dev/shm", "/run")


def verify(repository: str) -> None:
    """Stop unless this is a throw-away root."""
    assert os.getpid() == 1, "not the first process of a namespace"
    assert set(os.listdir("/dev")) == {*NODES, "shm"}, "devices"
    assert [name for name in Path("/proc/net/dev").read_text().split() if name.endswith(":")] == ["lo:"], "a network"
    for folder in ("/", "/usr", "/etc", "/var", repository, sys.base_prefix):
        assert os.statvfs(folder).f_flag & os.ST_RDONLY, f"{folder} can be written to"
    for folder in WRITABLE:
        if os.path.isdir(folder):
            assert os.statvfs(folder).f_blocks * os.statvfs(folder).f_frsize <= 2 << 30, f"{folder} is no small one"


def state() -> dict[str, object]:
    """What a program could leave: processes, files, memory in files and in segments."""
    while True:  # orphans come to the first process
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                break
        except ChildProcessError:
            break
    shared = Path("/proc/sysvipc/shm")
    return {
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "files": sorted(str(path) for folder in WRITABLE for path in Path(folder).rglob("*")),
        "free": [os.statvfs(folder).f_bfree for folder in WRITABLE if os.path.isdir(folder)],
        "segments": len(shared.read_text().splitlines()) - 1 if shared.exists() else 0,
    }


def main() -> None:
    backend, repository = sys.argv[1:]
    verify(repository)
    sys.path[:0] = [repository, str(Path(__file__).parent)]
    from hostile import PROGRAMS, TEST

    from cai_eval.sandbox import Limits, Program, Sandbox

    before = state()
    programs = [Program(source, "f", TEST) for _, source in PROGRAMS.values()]
    began = time.perf_counter()
    with Sandbox(Limits(seconds=SECONDS, memory=256 << 20, disk=16 << 20), workers=4, backend=backend) as sandbox:
        outcomes = dict(zip(PROGRAMS, map(vars, sandbox.run(programs)), strict=True))
        afterwards = [o.verdict for o in sandbox.run([Program("def f(x): return x", "f", "assert f(1) == 1")] * 8)]
    seconds = time.perf_counter() - began
    for _ in range(50):
        if (after := state()) == before:
            break
        time.sleep(0.1)
    report = {"outcomes": outcomes, "afterwards": afterwards, "before": before, "after": after}
    print(json.dumps(report | {"deadline": SECONDS, "seconds": seconds}))


if __name__ == "__main__":
    main()
