"""Where what can be made again is kept between runs."""

import os
from pathlib import Path


def cache_directory() -> Path:
    """The folder named by CAI_EVAL_CACHE, else the user's cache folder. Not created here."""
    named = os.environ.get("CAI_EVAL_CACHE")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cai-eval"
