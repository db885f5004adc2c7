"""How often the gate cries wolf over nothing but other samples: A/A gates of a laboratory rung, two seeds each.

The weights, items and protocol of both sides are the same; only the seed of generation differs. So each alarm is a
false one, and gates are independent of each other. A gate has four cells, which share items and samples and therefore
correlate.

    python tests/performance/gate_false_alarms.py [GATES]    # 200; minutes
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import yaml
from scipy import stats

from cai_eval.study.gate.baseline import Baseline, baseline_of
from cai_eval.study.gate.pairing import pairs
from cai_eval.study.gate.verdicts import judge
from cai_eval.study.run import Listener, Runner, run_plan
from cai_eval.study.session import Order, prepare
from cai_eval.study.store import RunDirectory
from cai_eval.study.workshop import Models

GATES, ITEMS = 200, 80
LEVELS = (0.01, 0.05, 0.1)  #: of a whole gate; .01 is what `cai-eval check` takes
LADDER = {
    "name": "one",
    "title": "one rung",
    "source": "lab",
    "rungs": [{"model": "lab/98k", "label": "98k"}],
}
SUITE = {
    "name": "samples",
    "title": "What samples decide",
    "ladder": "one.yaml",
    "interventions": {"none": None, "dialogue-only": None},
    "benchmarks": {
        "alone": {"benchmark": "p-true:facts", "config": {"guesses": 0}},
        "guesses": {"benchmark": "p-true:facts", "config": {"guesses": 2}},
    },
}


def measured(folder: Path, seed: int) -> Baseline:
    """The rung's scores by samples of this seed."""
    models = Models(seed=seed)
    session = prepare(Order(str(folder / "suite.yaml"), str(folder / "one.yaml"), limit=ITEMS, seed=seed), models)
    run = RunDirectory.create(folder / str(seed), session.plan.suite.name)
    outcome = run_plan(
        session.plan, run, Runner(run, models, session.source, Listener()).work, {"laboratory": session.laboratory}
    )
    assert not outcome.failures, outcome.failures
    return baseline_of(run.path)


def main(gates: int) -> None:
    verdicts, least = Counter[str](), list[float]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in (("suite", SUITE), ("one", LADDER)):
            (folder / f"{file}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        for number in range(gates):
            before, after = (measured(folder, 2 * number + side) for side in (0, 1))
            judgements = judge(pairs(before, after, {}))
            verdicts.update(judgement.verdict for judgement in judgements)
            least.append(min(judgement.p_adjusted for judgement in judgements))
    print(f"{gates} gates of four cells without any true change: {dict(verdicts)}")
    for level in LEVELS:
        alarms = sum(p < level for p in least)
        ends = stats.binomtest(alarms, gates).proportion_ci(method="wilson")
        print(
            f"level {level:g}: {alarms} false alarms, a rate of {alarms / gates:.3f} [{ends.low:.3f}, {ends.high:.3f}]"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else GATES)
