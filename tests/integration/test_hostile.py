"""Hostile programs against the sandbox, each back end in a throw-away root of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hostile import PROGRAMS
from throwaway import UNAVAILABLE

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
SLACK = 2.0  # seconds past its deadline that a program may cost on a busy machine


def in_throwaway_root(*arguments: str):
    """What Python prints there, read as JSON. Skips where no such root can be made."""
    command = [sys.executable, str(HERE / "throwaway.py"), sys.executable, *arguments, str(REPOSITORY)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=200)
    if result.returncode == UNAVAILABLE:
        pytest.skip(result.stderr.strip())
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(
    scope="module",
    params=[
        "namespaces",
        pytest.param("landlock", marks=pytest.mark.slow),
        pytest.param("filter", marks=pytest.mark.slow),
        pytest.param("bwrap", marks=pytest.mark.slow),
    ],
)
def aftermath(request):
    """All the hostile programs, run with one back end."""
    if request.param == "bwrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    return in_throwaway_root(str(HERE / "hostile_run.py"), request.param)


def test_no_hostile_program_passes_and_each_is_told_for_what_it_is(aftermath):
    verdicts = {name: outcome["verdict"] for name, outcome in aftermath["outcomes"].items()}
    assert verdicts.keys() == PROGRAMS.keys()
    wrong = {name: verdict for name, verdict in verdicts.items() if verdict not in PROGRAMS[name][0].split()}
    assert wrong == {}


def test_a_hostile_program_costs_its_deadline_and_no_more(aftermath):
    deadline = aftermath["deadline"]
    late = {
        name: outcome["seconds"]
        for name, outcome in aftermath["outcomes"].items()
        if outcome["seconds"] > deadline + SLACK
    }
    assert late == {}
    hung = sum(outcome["verdict"] == "timeout" for outcome in aftermath["outcomes"].values())
    assert aftermath["seconds"] < hung * deadline, "hung programs waited for each other"


def test_the_sandbox_serves_on_and_nothing_is_left(aftermath):
    assert set(aftermath["afterwards"]) == {"passed"}
    assert aftermath["after"] == aftermath["before"]


def test_a_secret_in_one_process_can_be_stolen_and_the_sandbox_has_none():
    thefts = in_throwaway_root(str(HERE / "hostile_nonce.py"))
    assert len(thefts) == 3
    for believed, verdict in thefts.values():
        assert believed
        assert verdict == "failed"


ORDINARY = """
import json, os, sys
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
sys.path.insert(0, sys.argv[1])
from cai_eval.sandbox import Program, Sandbox
verdicts = {}
for backend in ("namespaces", "landlock", "filter"):
    with Sandbox(workers=1, backend=backend) as sandbox:
        (outcome,) = sandbox.run([Program("def f(): return 1", "f", "assert f() == 1")])
        verdicts[backend] = outcome.verdict, sandbox.layers.open[-1]
print(json.dumps(verdicts))
"""


def test_an_ordinary_user_has_every_back_end():
    for verdict, left_open in in_throwaway_root("-c", ORDINARY).values():
        assert verdict == "passed"
        assert "the user's own uid" in left_open


EQUAL_TO_ALL = "class Fraction:\n    __init__ = lambda *_: None\n    __eq__ = lambda *_: True"

UNDER_TMP = """
import json, shutil, sys
from pathlib import Path
module, repository = sys.argv[1:]
ours, theirs = Path(repository, "cai_eval"), Path("/tmp/installed/cai_eval")
shutil.copytree(ours / "sandbox", theirs / "sandbox")
for name in ("__init__.py", "errors.py"):
    shutil.copy(ours / name, theirs)
sys.path.insert(0, str(theirs.parent))
from cai_eval.sandbox import Program, Sandbox
place = str(theirs / "sandbox")
source = f"import os; os.makedirs({place!r}); open({place!r} + '/fractions.py', 'w').write({module!r})"
test = "import fractions; assert fractions.Fraction(f(1), 2) == 1"
with Sandbox(workers=1, backend="namespaces") as sandbox:
    (outcome,) = sandbox.run([Program(source + "; f = lambda x: x", "f", test)])
print(json.dumps(vars(outcome)))
"""


def test_a_program_cannot_put_modules_in_the_judges_way():
    outcome = in_throwaway_root("-c", UNDER_TMP, EQUAL_TO_ALL)
    assert (outcome["verdict"], outcome["message"][:15]) == ("failed", "AssertionError:")


WITHOUT_NAMESPACES = """
import json, sys
open("/proc/sys/user/max_user_namespaces", "w").write("0")
sys.path.insert(0, sys.argv[1])
from cai_eval.sandbox import Program, Sandbox
with Sandbox(workers=1) as sandbox:
    (outcome,) = sandbox.run([Program("def f(): return 1", "f", "assert f() == 1")])
print(json.dumps([vars(sandbox.layers), outcome.verdict]))
"""


def test_where_namespaces_are_refused_the_next_best_is_taken_and_said():
    layers, verdict = in_throwaway_root("-c", WITHOUT_NAMESPACES)
    assert verdict == "passed"
    assert layers["backend"] in ("landlock", "filter")
    assert "namespaces" in layers["refused"][0]
