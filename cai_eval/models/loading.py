"""Models, tokenizers and configurations from a directory or the hub, quietly, or one sentence why not."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from cai_eval.errors import UserError
from cai_eval.models.files import config_file, model_files, read_json, tokenizer_directory

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

DTYPES = ("float32", "bfloat16", "float16")
CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx")

_default: ContextVar[str | None] = ContextVar("default device", default=None)


def load_model(model: str, *, device: str | None = None, dtype: str | None = None) -> PreTrainedModel:
    """A causal language model in evaluation mode.

    device: "cuda", "cuda:1", "mps", "cpu"; where None, that of `default_device`, else the best there is.
    dtype: one of `DTYPES`; on CUDA bfloat16 where the hardware has it, else float16; elsewhere float32.
    Raises UserError: what `model_files` refuses, an unknown architecture, weights that do not match the
    configuration, a device that is not there or too small.
    """
    from transformers import AutoModelForCausalLM

    return load_as(AutoModelForCausalLM, "causal language model", model, device=device, dtype=dtype)


def load_as(auto: Any, what: str, model: str, *, device: str | None, dtype: str | None) -> PreTrainedModel:
    """As `load_model`, by one of transformers' auto classes; `what` it loads, in words."""
    import torch

    place = choose_device(device)
    kind = choose_dtype(dtype, place)
    directory = model_files(model).directory
    with quiet():
        config = load_config(model)
        try:
            loaded, report = auto.from_pretrained(
                directory,
                config=config,
                dtype=kind,
                local_files_only=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        except (ValueError, OSError, RuntimeError, ImportError) as error:
            raise UserError(f"model {model!r} cannot be loaded ({_reason(error)}): fetch or save it again.") from error
    wanting = sorted(report["missing_keys"]) + sorted(key for key, *_ in report["mismatched_keys"])
    if wanting:
        raise UserError(
            f"model {model!r} has no weights that fit {wanting[0]!r} ({len(wanting)} in all): its files do not "
            f"hold the {what} that its config.json describes."
        )
    try:
        ready: PreTrainedModel = loaded.to(place).eval()
    except torch.OutOfMemoryError:
        raise UserError(f"model {model!r} does not fit on {place}: choose a smaller dtype or another device.") from None
    return ready


def load_tokenizer(model: str) -> PreTrainedTokenizerBase:
    """The model's tokenizer. Raises UserError where there is none or its files are damaged."""
    from transformers import AutoTokenizer

    directory = tokenizer_directory(model)
    with quiet():
        try:
            return AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # the tokenizers library raises bare Exception for a damaged file
            raise UserError(
                f"the tokenizer of {model!r} cannot be loaded ({_reason(error)}): fetch or save it again."
            ) from error


def load_config(model: str) -> PretrainedConfig:
    """The model's configuration, without its weights. Raises UserError."""
    from transformers import AutoConfig

    path = config_file(model)
    read_json(path)
    with quiet():
        try:
            return AutoConfig.from_pretrained(path.parent, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # wrong values raise the hub library's own kind of error
            raise UserError(
                f"the configuration {path} cannot be used ({_reason(error)}): mend it, or choose another model."
            ) from error


def context_length(config: PretrainedConfig) -> int:
    """The longest sequence that the model was made for, tokens. Raises UserError where the config is silent."""
    text = config.get_text_config()
    for key in CONTEXT_KEYS:
        value = getattr(text, key, None)
        if isinstance(value, int) and value > 0:
            return value
    raise UserError(f"the {config.model_type!r} configuration states no context length: add max_position_embeddings.")


@contextmanager
def default_device(name: str | None) -> Iterator[None]:
    """What is loaded meanwhile without a device of its own lies on this one. Raises UserError as `choose_device`."""
    token = _default.set(str(choose_device(name)))
    try:
        yield
    finally:
        _default.reset(token)


def choose_device(name: str | None) -> torch.device:
    """The device of that name, else of `default_device`, else the best there is. Raises UserError where it is none."""
    import torch

    if name is None:
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        name = _default.get() or best
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UserError(f"there is no device {name!r} on this machine: try cpu, cuda or mps.") from None
    return device


def choose_dtype(name: str | None, device: torch.device) -> torch.dtype:
    """The dtype of that name, or the one that suits the device. Raises UserError for an unknown name."""
    import torch

    if name is None:
        if device.type != "cuda":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if name not in DTYPES:
        raise UserError(f"unknown dtype {name!r}: choose one of {', '.join(DTYPES)}.")
    dtype: torch.dtype = getattr(torch, name)
    return dtype


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers' progress bars, log lines and warnings off the user's terminal."""
    from transformers.utils import logging as noise

    level, bars = noise.get_verbosity(), noise.is_progress_bar_enabled()
    noise.set_verbosity(logging.CRITICAL)
    noise.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        noise.set_verbosity(level)
        if bars:
            noise.enable_progress_bar()


def _reason(error: BaseException) -> str:
    """The first line of what a library says, and the lines that it announces with a colon."""
    said = []
    for line in str(error).strip().splitlines():
        said.append(" ".join(line.split()))
        if not said[-1].endswith(":"):
            break
    return f"{type(error).__name__}: {' '.join(said)}".rstrip(".: ")
