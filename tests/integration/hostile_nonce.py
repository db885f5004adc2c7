"""Three thefts of the secret by which a harness of one process would know that the test ran to its end.

    python throwaway.py PYTHON hostile_nonce.py REPOSITORY

The harness hides the secret as well as one process can: it comes by standard input, in a function's local variable,
under no global name, and is printed only after the last assertion. Prints, as JSON, theft → whether the harness took
it for a pass, and the sandbox's verdict on the same program.
"""

import json
import secrets
import subprocess
import sys
from pathlib import Path

HARNESS = """
import sys
def main():
    nonce, program, test = eval(sys.stdin.read())
    namespace = {}
    exec(program, namespace)
    exec(test, namespace)
    print(nonce)
main()
"""

FRAME = """
import os, sys
def f(x):
    frame = sys._getframe()
    while frame:
        if "nonce" in frame.f_locals:
            print(frame.f_locals["nonce"], flush=True)
            os._exit(0)
        frame = frame.f_back
"""

MEMORY = """
import os, re
def f(x):
    maps = open("/proc/self/maps").read().split("\\n")
    with open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            if " rw" in line and "[v" not in line:
                low, high = (int(part, 16) for part in line.split()[0].split("-"))
                memory.seek(low)
                try:
                    found = re.search(rb"<<[0-9a-f]{32}>>", memory.read(high - low))
                except OSError:
                    continue
                if found:
                    os.write(1, found[0] + b"\\n")
                    os._exit(0)
"""

SKIP = """
import builtins
builtins.exec = lambda *a: None
def f(x):
    return None
"""

THEFTS = {"walks the frames": FRAME, "reads the process's memory": MEMORY, "has the harness skip the test": SKIP}


def single_process(program: str, test: str) -> bool:
    """Whether a harness of one process believes that the program passed."""
    nonce = f"<<{secrets.token_hex(16)}>>"
    request = repr((nonce, program, test))
    command = [sys.executable, "-I", "-S", "-c", HARNESS]
    result = subprocess.run(command, input=request, capture_output=True, text=True, timeout=30)
    return result.stdout.strip() == nonce and result.returncode == 0


def main() -> None:
    repository = sys.argv[1]
    sys.path[:0] = [repository, str(Path(__file__).parent)]
    from hostile import TEST
    from hostile_run import verify

    from cai_eval.sandbox import Program, Sandbox

    verify(repository)
    with Sandbox(workers=1) as sandbox:
        outcomes = sandbox.run(Program(source, "f", TEST) for source in THEFTS.values())
        verdicts = {name: outcome.verdict for name, outcome in zip(THEFTS, outcomes, strict=True)}
    print(json.dumps({name: [single_process(source, TEST), verdicts[name]] for name, source in THEFTS.items()}))


if __name__ == "__main__":
    main()
