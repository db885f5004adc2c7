"""Programs that want to pass without an answer, to hang, or to leave something behind. Run them in a throw-away root.

Each defines `f`; the test is `TEST`. None knows the answer, so none may pass.
"""

ANSWER = "correct horse 40961 battery"
TEST = f"assert f(1) == {ANSWER!r}"

FORGE = """
import os, json
def f(x):
    for message in (["passed", "", 0.1], ["value", True], ["value", True, None], {"verdict": "passed"}, b"passed"):
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        for file in range(64):
            for data in (len(body).to_bytes(4, "little") + body, body, b"k", b"f"):
                try:
                    os.write(file, data)
                except OSError:
                    pass
    os._exit(0)
"""

SEARCH = """
import ctypes, gc, sys
def f(x):
    wanted = "correct " + "horse "
    found = [s for o in gc.get_objects() for s in (o if isinstance(o, (list, tuple)) else
             list(o.values()) if isinstance(o, dict) else []) if isinstance(s, str) and wanted in s and s[0] == "c"]
    frame = sys._getframe()
    while frame:
        found += [s for s in (*frame.f_locals.values(), *frame.f_globals.values())
                  if isinstance(s, str) and wanted in s and s[0] == "c" and s != wanted]
        frame = frame.f_back
    found = [s for s in found if s != wanted]
    return found[0] if found else None
"""

SCAN = """
import ctypes, gc
def f(x):
    wanted = b"correct " + b"horse "
    low = id(gc.get_objects()) & ~0xfffff
    for start in range(low - (4 << 20), low + (4 << 20), 1 << 20):
        try:
            block = ctypes.string_at(start, 1 << 20)
        except Exception:
            continue
        at = block.find(wanted + b"40")
        if at >= 0:
            return block[at : at + 27].decode()
"""

FILES = """
import os
def f(x):
    wanted = b"correct " + b"horse "
    whose, what = ("self", "1", os.getppid(), os.getpid()), ("mem", "environ", "cmdline", "fd/0")
    places = [f"/proc/{process}/{name}" for process in whose for name in what]
    places += [__file__] if "__file__" in globals() else []
    for folder, _, names in os.walk("/", onerror=None):
        if len(places) > 2000 or folder.startswith(("/usr", "/lib", "/sys", "/root")):
            continue
        places += [os.path.join(folder, name) for name in names if not folder.startswith("/dev")]
    for place in places:
        try:
            data = open(place, "rb").read(1 << 20)
        except (OSError, ValueError, MemoryError):
            continue
        at = data.find(wanted)
        if at >= 0 and b"hostile" not in place.encode():
            return data[at : at + 27].decode()
"""

TAMPER = """
import sys
inside = {name.rsplit(".", 1)[-1]: module for name, module in sys.modules.items() if name.startswith("inside")}
class Anything:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
inside["servant"].encode = lambda value, refer: ACTION
inside["plain"].encode = lambda value, refer: ACTION
def f(x):
    return Anything()
"""

WALK = """
import os
def f(x):
    for place in ("/", "/tmp", "/usr", "/etc", "/root", "/home", "/var/tmp", "/run", "/dev", "/dev/shm", "/proc", "."):
        for how in (lambda p: open(p, "w").write("x"), os.mkdir, lambda p: os.symlink("/", p), lambda p: os.mkfifo(p)):
            try:
                how(os.path.join(place, "hostile"))
            except (OSError, AttributeError):
                pass
    return "done"
"""

AHEAD = """
import json, os
def f(x):
    for value in (True, {"object": 0}, [], 1):
        body = json.dumps(["value", value, None]).encode()
        os.write(3, len(body).to_bytes(4, "little") + body)
    return True
"""

CALL = """
import ctypes
def f(x): return ctypes.CDLL(None).syscall({}, {})
"""

INT80 = """
import ctypes, mmap
def f(x):
    code = mmap.mmap(-1, 4096, prot=7)
    code.write(bytes.fromhex("b802000000cd80c3"))  # mov eax, 2 (fork); int 0x80; ret
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
"""

PROGRAMS: dict[str, tuple[str, str]] = {
    "fork bomb": ("refused", "import os\ndef f(x):\n    while True: os.fork()"),
    "fork bomb at import": ("refused", "import os\nwhile True: os.fork()\ndef f(x): return 1"),
    "10 GB": ("memory", "def f(x): return len(bytearray(10 << 30))"),
    "10 GB mapped": (
        "failed memory",
        "import mmap\ndef f(x):\n    m = mmap.mmap(-1, 10 << 30)\n    m.write(b'x' * (10 << 30))",
    ),
    "many small objects": (
        "memory timeout",
        "def f(x):\n    kept = []\n    while True: kept.append(' ' * 1000 + str(len(kept)))",
    ),
    "infinite loop": ("timeout", "def f(x):\n    while True: pass"),
    "infinite loop at import": ("timeout", "while True: pass\ndef f(x): return 1"),
    "sleep": ("timeout", "import time\ndef f(x): time.sleep(1000)"),
    "infinite output": ("timeout", "def f(x):\n    while True: print('y' * 10000)"),
    "huge result": ("unsupported", "def f(x): return 'y' * (5 << 20)"),
    "infinite iterator": ("failed unsupported", "import itertools\ndef f(x): return itertools.count()"),
    "sys.exit": ("failed", "import sys\ndef f(x): sys.exit(0)"),
    "sys.exit at import": ("failed", "import sys\nsys.exit(0)\ndef f(x): return 1"),
    "os._exit": ("failed", "import os\ndef f(x): os._exit(0)"),
    "catches everything": (
        "timeout",
        "def f(x):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
    ),
    "raises what the test may catch": ("failed", "def f(x): raise AssertionError('passed')"),
    "raises BaseException": ("failed", "class E(BaseException): pass\ndef f(x): raise E"),
    "stops iteration": ("failed", "def f(x): raise StopIteration"),
    "overwrites builtins": (
        "failed",
        "import builtins\nfor n in ('all', 'any', 'isinstance', 'str', 'len'): setattr(builtins, n, lambda *a: True)\n"
        "builtins.AssertionError = ValueError\ndef f(x): return True",
    ),
    "claims to be equal": ("unsupported", "class A:\n    def __eq__(s, o): return True\ndef f(x): return A()"),
    "a string that claims to be equal": (
        "failed",
        "class A(str):\n    def __eq__(s, o): return True\n    __hash__ = str.__hash__\ndef f(x): return A('x')",
    ),
    "a list that claims to be equal": (
        "failed",
        "class A(list):\n    def __eq__(s, o): return True\ndef f(x): return A()",
    ),
    "redefines the judge's names": ("failed", "def check(c): pass\ndef candidate(x): return 1\ndef f(x): return None"),
    "searches objects and frames": ("failed", SEARCH),
    "scans memory": ("failed", SCAN),
    "reads files and descriptors": ("failed timeout", FILES),
    "reads its source": ("failed", "import inspect, sys\ndef f(x): return inspect.getsource(sys.modules['__main__'])"),
    "prints every string": (
        "failed",
        "import gc\ndef f(x):\n    for o in gc.get_objects():\n        print(repr(o)[:200])\n    return 'printed'",
    ),
    "replaces sys.stdout": (
        "failed",
        "import sys, io\nsys.stdout = sys.__stdout__ = sys.stderr = io.StringIO()\n"
        "def f(x): print('passed'); return 'passed'",
    ),
    "kills its parent": ("refused", "import os\ndef f(x): os.kill(os.getppid(), 9)"),
    "kills everyone": ("refused", "import os\ndef f(x): os.kill(-1, 9)"),
    "kills the group": ("refused", "import os\ndef f(x): os.killpg(0, 9)"),
    "kills its parent through a file": (
        "failed",
        "import fcntl, os\ndef f(x):\n    fcntl.fcntl(3, fcntl.F_SETOWN, os.getppid())\n    fcntl.fcntl(3, 10, 9)\n"
        "    fcntl.fcntl(3, fcntl.F_SETFL, os.O_RDWR | os.O_ASYNC)\n    return 1",
    ),
    "reads its parent's memory": (
        "failed refused",
        "import os\ndef f(x):\n    return open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    ),
    "reads its parent's memory by call": (
        "refused",
        "import ctypes\ndef f(x): return ctypes.CDLL(None).process_vm_readv(1, None, 0, None, 0, 0)",
    ),
    "traces its parent": (
        "refused",
        "import ctypes, os\ndef f(x): return ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)",
    ),
    "writes everywhere": ("failed", WALK),
    "fills the disk": (
        "failed",
        "import os\ndef f(x):\n    for i in range(10000):\n        with open(f'/tmp/{i}', 'wb') as o:\n"
        "            for _ in range(100): o.write(b'x' * (1 << 20))",
    ),
    "fills memory through files": (
        "failed",
        "import os\ndef f(x):\n    n = os.memfd_create('x')\n    while True: os.write(n, b'x' * (1 << 20))",
    ),
    "deletes its directory": (
        "failed",
        "import os, shutil\ndef f(x):\n    shutil.rmtree(os.getcwd()); os.rmdir(os.getcwd())",
    ),
    "deletes everything": (
        "failed timeout",
        "import shutil\ndef f(x):\n    shutil.rmtree('/', ignore_errors=True)\n    return 'done'",
    ),
    "connects to loopback": (
        "refused",
        "import socket\ndef f(x): return socket.create_connection(('127.0.0.1', 22), 1)",
    ),
    "connects outside": ("refused", "import socket\ndef f(x): return socket.create_connection(('192.0.2.1', 80), 1)"),
    "listens": (
        "refused",
        "import socket\ndef f(x):\n    s = socket.socket(socket.AF_UNIX); s.bind('/tmp/s'); s.listen()",
    ),
    "a thread that stays": (
        "refused",
        "import threading, time\ndef f(x):\n    threading.Thread(target=time.sleep, args=(100,)).start(); return 1",
    ),
    "a child that stays": (
        "refused",
        "import os, time\ndef f(x):\n    if os.fork() == 0:\n        os.setsid(); time.sleep(100)\n    return 1",
    ),
    "a shell": ("refused", "import subprocess\ndef f(x): return subprocess.run(['sh', '-c', 'sleep 100 &'])"),
    "os.system": ("refused", "import os\ndef f(x): return os.system('sleep 100 &')"),
    "exec": ("refused", "import os\ndef f(x): os.execv('/bin/sh', ['sh'])"),
    "segfault": ("failed", "import ctypes\ndef f(x): return ctypes.string_at(0)"),
    "abort": ("failed", "import os\ndef f(x): os.abort()"),
    "ignores signals": (
        "timeout",
        "import signal\nfor s in range(1, 64):\n    try: signal.signal(s, signal.SIG_IGN)\n    except Exception: pass\n"
        "def f(x):\n    while True: pass",
    ),
    "deep recursion": ("failed timeout", "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f(x)"),
    "a zip of zips": (
        "failed unsupported timeout",
        "def f(x):\n    z = zip()\n    for _ in range(10**6): z = zip(z)\n    return z",
    ),
    "a deep list": ("unsupported", "def f(x):\n    y = []\n    for _ in range(10**5): y = [y]\n    return y"),
    "a list within itself": ("unsupported", "def f(x):\n    y = []\n    y.append(y)\n    return y"),
    "a deep source": ("syntax failed", "def f(x): return " + "(" * 5000 + "1" + ")" * 5000),
    "not UTF-8": ("failed", "import os\ndef f(x):\n    os.write(1, b'\\xff\\xfe\\x80'); return '\\udcff\\ud800'"),
    "raises what is not UTF-8": ("failed", "def f(x): raise ValueError('\\udcff')"),
    "null bytes": ("syntax", "def f(x): return 1\x00"),
    "a lone surrogate": ("syntax", "def f(x): return '\udcff'"),
    "forges messages": ("failed", FORGE),
    "forges a pass": ("failed", TAMPER.replace("ACTION", '["passed"]')),
    "forges an object": ("failed unsupported", TAMPER.replace("ACTION", '{"object": 0}')),
    "forges a callback": ("failed", TAMPER.replace("ACTION", '{"callback": 0}')),
    "forges a module": ("failed", TAMPER.replace("ACTION", '{"module": "antigravity"}')),
    "forges a tag": ("failed", TAMPER.replace("ACTION", '{"__reduce__": ["os.system", "true"]}')),
    "forges a bomb": ("failed", TAMPER.replace("ACTION", '{"Decimal": "1e999999999"}')),
    "forges another": ("failed", TAMPER.replace("ACTION", '{"fraction": ["1e999999999", 1]}')),
    "hangs up": ("failed", "import os\ndef f(x):\n    os.closerange(0, 64)"),
    "hangs up and stays": ("failed", "import os\ndef f(x):\n    os.closerange(0, 64)\n    while True: pass"),
    "writes to /dev/shm": ("failed", "def f(x):\n    open('/dev/shm/hostile', 'w').write('x'); return 1"),
    "shared memory": ("refused", "import ctypes\ndef f(x): return ctypes.CDLL(None).shmget(1, 1 << 20, 0o1666)"),
    "mounts": ("refused", "import ctypes\ndef f(x): return ctypes.CDLL(None).mount(b'n', b'/tmp', b'tmpfs', 0, None)"),
    "leaves for a new namespace": ("refused", "import ctypes\ndef f(x): return ctypes.CDLL(None).unshare(0x10000000)"),
    "becomes root": ("failed", "import os\ndef f(x): os.setuid(0); os.setresuid(0, 0, 0); return 1"),
    "raises its limits": (
        "failed memory",
        "from resource import *\ndef f(x):\n    setrlimit(RLIMIT_AS, (-1, -1)); return len(bytearray(10 << 30))",
    ),
    "answers ahead": ("failed", AHEAD),
    "claims to be of another class": (
        "failed unsupported",
        "class A:\n    __class__ = str\n    def __eq__(s, o): return True\ndef f(x): return A()",
    ),
    "raises an error that cannot be told": (
        "failed",
        "class E(ValueError):\n    def __str__(s): raise SystemExit\ndef f(x): raise E",
    ),
    "raises an error that is long to tell": (
        "failed",
        "class E(ValueError): pass\nE.__name__ = 'x' * 10**7\ndef f(x): raise E",
    ),
    "a thread by call": ("refused", CALL.format(435, 0)),
    "asynchronous calls": ("refused", CALL.format(425, "8, 0")),
    "page faults of its own": ("refused", CALL.format(323, 0)),
    "lets others trace it": ("failed", CALL.format(157, "4, 1")),
    "another personality": ("failed", CALL.format(135, 0x0400000)),
    "opens a file by the newer call": ("failed", CALL.format(437, "-100, b'/etc/passwd', bytes(24), 24")),
    "hands its channel on": ("failed", CALL.format(46, "3, 0, 0")),
    "calls of 32 bits": ("refused", INT80),
    "old calls": ("refused failed", "import ctypes\ndef f(x): return ctypes.CDLL(None).syscall(57 | 0x40000000)"),
}
"""Name → the verdicts that it may get, and its source."""
