"""Supervised fine-tuning beside TRL's SFTTrainer: the same rows leave the same loss.

Runs where CAI_EVAL_TRL_PYTHON names the python of an environment that has trl; ours has not.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "performance" / "sft.py"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif("CAI_EVAL_TRL_PYTHON" not in os.environ, reason="CAI_EVAL_TRL_PYTHON names no python with trl")
def test_final_losses_agree_with_trl() -> None:
    command = [sys.executable, str(PROGRAM), "--json", "--steps", "30", "--rounds", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=800)
    told = json.loads(done.stdout.splitlines()[-1])
    (_, ours), (_, theirs) = told["ours"], told["TRL"]
    assert ours == pytest.approx(theirs, rel=0.01)
