"""The sandbox with programs that mean no harm; tests/integration/test_hostile.py has the others."""

import os
import signal
import time
from pathlib import Path

import pytest

from cai_eval.errors import UserError
from cai_eval.sandbox import Limits, Program, Sandbox
from cai_eval.sandbox.inside.isolation import packages


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(Limits(seconds=20), workers=1) as sandbox:
        yield sandbox


def judge(sandbox, source: str, test: str, setup: str = "", entry_point: str = "f"):
    (outcome,) = sandbox.run([Program(source, entry_point, test, setup)])
    return outcome


PASSING = {
    "plain values": (
        "def f(x): return x",
        "for x in (None, True, 1, -(2**70), 1.5, 'é\\n', [1, [2]]): assert f(x) == x",
    ),
    "types are kept": (
        "def f(x): return x",
        "for x in ((1, 2), {1}, frozenset({2}), b'a', 2j): assert type(f(x)) is type(x)",
    ),
    "counters and the like": (
        "from collections import *\n"
        "def f(): return [Counter('aab'), OrderedDict(a=1), deque([1]), defaultdict(int, b=2)]",
        "from collections import *\nassert f() == [Counter('aab'), {'a': 1}, deque([1]), {'b': 2}]",
    ),
    "named tuples become tuples": (
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return P(1, 2)",
        "assert f() == (1, 2)",
    ),
    "dates and exact numbers": (
        "import datetime, decimal, fractions\n"
        "def f(): return datetime.datetime(2020, 1, 2, 3, 4, 5, 6), datetime.date(2020, 1, 2), "
        "decimal.Decimal('1.5'), fractions.Fraction(1, 3)",
        "import datetime, decimal, fractions\n"
        "assert f() == (datetime.datetime(2020, 1, 2, 3, 4, 5, 6), datetime.date(2020, 1, 2), "
        "decimal.Decimal('1.5'), fractions.Fraction(1, 3))",
    ),
    "infinite floats": (
        "def f(): return float('inf'), float('nan')",
        "import math\nassert math.isnan(f()[1]) and f()[0] > 1e308",
    ),
    "a type as argument": ("def f(x, t): return isinstance(x, t)", "assert f(1, int) and not f('a', int)"),
    "a function as argument": ("def f(g): return [g(1), g(2)]", "assert f(lambda x: x * 10) == [10, 20]"),
    "a function of the test's that calls back": (
        "def f(g, n): return g(n) if n else 0",
        "assert f(lambda n: 1 + f(None, n - 1) if n > 1 else 1, 1) == 1",
    ),
    "a function as result": ("def f(a): return lambda b: a + b", "assert f(1)(2) == 3"),
    "keywords": ("def f(a, *, b=0): return a - b", "assert f(3, b=1) == 2"),
    "an iterator as result": ("def f(n):\n    yield from range(n)", "assert list(f(3)) == [0, 1, 2]"),
    "arguments changed in place": (
        "def f(a, b, c):\n    a.sort(); b['k'] = 1; c.clear()",
        "a, b, c = [3, 1], {}, {1}\nf(a, b, c)\nassert (a, b, c) == ([1, 3], {'k': 1}, set())",
    ),
    "an exception by its name": (
        "def f(x): raise ValueError('no ' + x)",
        "try:\n    f('luck')\nexcept ValueError as error:\n    assert str(error) == 'no luck'\nelse:\n    assert False",
    ),
    "an exception of the program's by its base": (
        "class Odd(KeyError): pass\ndef f(): raise Odd('k')",
        "try:\n    f()\nexcept KeyError:\n    pass\nelse:\n    assert False",
    ),
    "modules that only the program imports": (
        "import math\ndef f(x): return math.sqrt(x)",
        "assert math.isclose(f(4), 2)",
    ),
    "helpers of the program's": ("def double(x): return 2 * x\ndef f(x): return x", "assert double(f(2)) == 4"),
    "a private folder": (
        "def f(x):\n    with open('a', 'w') as o: o.write(x)\n    return open('/tmp/a').read()",
        "assert f('kept') == 'kept'",
    ),
    "dataclasses": (
        "from dataclasses import dataclass, astuple\n@dataclass\nclass P:\n    x: int\ndef f(x): return astuple(P(x))",
        "assert f(1) == (1,)",
    ),
    "HumanEval's form": (
        "def f(x): return x + 1",
        "def check(candidate):\n    assert candidate(1) == 2\ncheck(candidate)",
    ),
}


@pytest.mark.parametrize("name", PASSING)
def test_right_programs_pass(sandbox, name):
    outcome = judge(sandbox, *PASSING[name])
    assert (outcome.verdict, outcome.message) == ("passed", "")


def test_a_setup_uses_classes_of_the_program(sandbox):
    source = "class Node:\n    def __init__(self, data):\n        self.data, self.left = data, None\n"
    source += "def f(node): return node.data + (f(node.left) if node.left else 0)"
    outcome = judge(sandbox, source, "assert f(root) == 3", setup="root = Node(1)\nroot.left = Node(2)")
    assert outcome.verdict == "passed"


def test_a_function_may_be_named_like_a_builtin(sandbox):
    assert judge(sandbox, "def sum(a, b): return a + b", "assert sum(1, 2) == 3", entry_point="sum").passed


def test_a_program_cannot_lend_the_test_its_builtins_or_modules(sandbox):
    source = "def set(x): return 0\nclass math:\n    isclose = lambda *a: True\ndef f(x): return []"
    assert judge(sandbox, source, "assert set(f(1)) == set([1])").verdict == "failed"
    assert judge(sandbox, source, "f(1)\nassert math.isclose(1, 2)").verdict == "failed"


VERDICTS = {
    "failed": ("def f(x): return x", "assert f(1) == 2"),
    "timeout": ("import time\ndef f(): time.sleep(9)", "f()"),
    "memory": ("def f(): return len(bytearray(1 << 30))", "assert f()"),
    "syntax": ("def f(:", "f()"),
    "refused": ("import threading\ndef f(): threading.Thread(target=print).start()", "f()"),
    "unsupported": ("class A: pass\ndef f(): return A()", "assert f() == 1"),
    "sandbox error": ("def f(): return 1", "assert 1 == 1"),
}


@pytest.fixture(scope="module")
def hasty():
    with Sandbox(Limits(seconds=3), workers=2) as sandbox:
        yield sandbox


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_other_end_has_its_verdict(hasty, verdict):
    source, test = VERDICTS[verdict]
    assert judge(hasty, source, test).verdict == verdict


def test_an_end_of_iteration_does_not_end_a_loop_of_the_tests(sandbox):
    outcome = judge(sandbox, "def f(x): raise StopIteration", "assert all(map(lambda x: f(x) == x, [1, 2]))")
    assert (outcome.verdict, outcome.message) == ("failed", "ProgramError: StopIteration")


@pytest.mark.parametrize(
    "source",
    [
        "def f(): return 16**20000",
        "import os\nclass A:\n    def __str__(self): os._exit(0)\ndef f(): return A()",
        "class A:\n    def __str__(self): raise ValueError\ndef f(): return A()",
    ],
)
def test_a_result_that_cannot_be_told_fails_and_costs_no_judge(sandbox, source):
    assert judge(sandbox, source, "f()\nassert f is None, f()").verdict == "failed"


def test_even_a_builtin_type_is_called_in_the_programs_process(sandbox):
    assert judge(sandbox, "f = int", "assert f('1') == 1").passed
    assert judge(sandbox, "f = 1", "assert f('1') == 1").message == "TypeError: 'int' object is not callable"


def test_the_tests_random_numbers_are_the_same_each_time(sandbox):
    test = "import random\nassert f(0) == 1, random.random()"
    first, second = (judge(sandbox, "def f(x): return x", test).message for _ in range(2))
    assert first == second


def test_programs_find_no_installed_packages(sandbox):
    if sandbox.layers.backend != "namespaces":
        pytest.skip("only namespaces can hide a folder within another")
    folders = packages()
    assert folders
    source = f"import os\ndef f(): return [os.listdir(folder) for folder in {folders}]"
    assert judge(sandbox, source, f"assert f() == {[[] for _ in folders]}").passed


def test_standard_files_are_open_where_nothing_can_be_changed(sandbox):
    if sandbox.layers.backend != "namespaces":
        pytest.skip("elsewhere the filter keeps programs from changing files")
    source = "import os\ndef f(): return {os.fstatvfs(file).f_flag & os.ST_RDONLY for file in range(3)}"
    assert judge(sandbox, source, f"assert f() == {{{os.ST_RDONLY}}}").passed


def test_a_test_that_catches_everything_cannot_make_a_pass_of_it(hasty):
    for source in (VERDICTS["timeout"][0], VERDICTS["unsupported"][0], VERDICTS["refused"][0]):
        outcome = judge(hasty, source, "try:\n    assert f() == 1\nexcept BaseException:\n    pass")
        assert outcome.verdict in ("timeout", "unsupported", "refused")


def test_a_test_that_python_cannot_read_is_no_failure_of_the_program(sandbox):
    assert judge(sandbox, "def f(): pass", "assert f( ==").verdict == "sandbox error"


def test_the_failed_assertion_is_quoted(sandbox):
    outcome = judge(
        sandbox, "def f(x): return x", "def check(c):\n    assert c(1) == 1\n    assert c(2) == 3\ncheck(f)"
    )
    assert outcome.message == "AssertionError: assert c(2) == 3"


def test_a_missing_function_is_named(sandbox):
    outcome = judge(sandbox, "def g(x): return x", "assert f(1) == 1")
    assert outcome.verdict == "failed"
    assert "'f'" in outcome.message


def test_the_same_program_draws_the_same_numbers_and_orders(sandbox):
    source = "import random\ndef f(): return [random.random(), list({'a', 'b', 'c', 'd'})]"
    first, second = (judge(sandbox, source, "assert f() == 0, f()").message for _ in range(2))
    assert first == second != ""


def test_nothing_is_left_for_the_next_program(sandbox):
    if sandbox.layers.backend != "namespaces":
        pytest.skip("programs have a folder to write to in namespaces only")
    source = "import os\ndef f():\n    found = os.listdir('.')\n    open('left', 'w').write('x')\n    return found"
    assert [judge(sandbox, source, "assert f() == []").verdict for _ in range(3)] == ["passed"] * 3


def test_outcomes_keep_the_order_of_the_programs():
    sources = [f"import time\ndef f(x):\n    time.sleep({0.2 if n % 4 == 0 else 0})\n    return {n}" for n in range(12)]
    programs = (Program(source, "f", "assert f(0) < 0, f(0)") for source in sources)
    with Sandbox(workers=3) as sandbox:
        messages = [outcome.message for outcome in sandbox.run(programs)]
    assert messages == [f"AssertionError: {n}" for n in range(12)]


def test_no_programs_no_outcomes(sandbox):
    assert list(sandbox.run([])) == []


def descendants(pid: int) -> set[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = {int(child) for child in children.read_text().split()} if children.exists() else set()
    return found.union(*(descendants(child) for child in found))


def gone(pids: set[int]) -> bool:
    """Whether the processes end within some seconds."""
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.1)
    return False


HANGS = Program("def f():\n    while True: pass", "f", "f()")
FINE = Program("def f(): return 1", "f", "assert f() == 1")


@pytest.mark.parametrize("backend", ["auto", "filter"])
def test_a_sandbox_that_is_left_takes_its_processes_along(backend):
    before = descendants(os.getpid())
    with Sandbox(workers=2, backend=backend) as sandbox:
        outcomes = sandbox.run([FINE, HANGS, HANGS])
        assert next(outcomes).passed
        started = descendants(os.getpid()) - before
        assert len(started) >= 4
    assert gone(started)


def test_an_abandoned_iterator_leaves_the_sandbox_usable(hasty):
    outcomes = hasty.run([FINE, HANGS])
    assert next(outcomes).passed
    outcomes.close()
    assert [outcome.verdict for outcome in hasty.run([FINE, FINE])] == ["passed", "passed"]


def test_a_judge_that_is_killed_costs_one_program():
    with Sandbox(workers=1) as sandbox:
        outcomes = sandbox.run([FINE, HANGS, FINE, FINE])
        assert next(outcomes).passed
        (judge_pid,) = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()[-1:]
        os.kill(int(judge_pid), signal.SIGKILL)
        assert [outcome.verdict for outcome in outcomes] == ["sandbox error", "passed", "passed"]


def test_a_test_that_cannot_be_interrupted_is_ended_from_outside():
    endless = Program("def f(): return 1", "f", "import itertools\nf()\nsum(itertools.repeat(0))")
    with Sandbox(Limits(seconds=0.5), workers=1) as sandbox:
        assert [outcome.verdict for outcome in sandbox.run([endless, FINE])] == ["timeout", "passed"]


def test_layers_say_what_stands(sandbox):
    assert sandbox.layers.backend in ("namespaces", "landlock", "filter")
    assert sandbox.layers.closed
    assert bool(sandbox.layers.refused) == (sandbox.layers.backend != "namespaces")


def test_what_is_not_there_is_said(monkeypatch):
    with pytest.raises(UserError, match="unknown sandbox back end 'jail'"):
        Sandbox(backend="jail")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="install the package `bubblewrap`"):
        Sandbox(backend="bwrap")
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(UserError, match="Linux only"):
        Sandbox()
