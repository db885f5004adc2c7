"""Fixtures for all tests. No test reaches the network."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # several processes of tests share few cores
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # nor do they hurry
settings.load_profile("busy")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the published data sets: `CAI_EVAL_DATA`, by default beside the repository."""
    folder = Path(os.environ.get("CAI_EVAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the published data sets are not at {folder}; set CAI_EVAL_DATA")
    return folder
