"""PPO that was killed, in each of its stages, ends as if it had not been."""

import subprocess
import sys
from pathlib import Path

import pytest
from tiny import save_model

from cai_eval.models.fingerprint import fingerprint
from cai_eval.training.log import read_log

PROGRAM = Path(__file__).with_name("killed_ppo.py")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_ppo_ends_in_the_same_bits(tmp_path: Path) -> None:
    nodes = []
    for name, places in (("whole", []), ("killed", ["scoring", "anywhere", "learning"])):
        save_model(tmp_path / name / "model")
        subprocess.run([sys.executable, PROGRAM, tmp_path / name, *places], check=True)
        nodes.append(tmp_path / name / "node")
    whole, killed = nodes
    assert fingerprint(str(killed / "model")) == fingerprint(str(whole / "model"))
    for log in ("log.jsonl", "samples.jsonl"):
        one, other = (
            [{key: value for key, value in entry.items() if key != "seconds"} for entry in read_log(node / log)]
            for node in nodes
        )
        assert one == other
    assert (killed / "best-of-n.json").read_bytes() == (whole / "best-of-n.json").read_bytes()
