"""PPO: what a right implementation passes (the mathematics has its own tests)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cai_eval.contracts import PolicySpec, ScorerSpec
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.loading import load_model
from cai_eval.study.workshop import Models, NodeWorkshop
from cai_eval.testing import RowsSource
from cai_eval.trainers.ppo import PPO
from cai_eval.training.log import read_log

WORDS = [f"w{number}" for number in range(40)]
SOURCE = RowsSource(
    {
        "helpful-prompts": [{"id": w, "prompt": f"{w} {w}", "kind": "benign"} for w in WORDS[:20]],
        "red-team-prompts": [{"id": w, "prompt": w, "kind": "harmful"} for w in WORDS[20:]],
    }
)
CONFIG = {"updates": 4, "batch": 8, "minibatches": 2, "epochs": 2, "rate": 1e-2, "warmup": 0, "max_tokens": 6}
SCORER = ScorerSpec("scorer", "scorer", 1, 1000)
Score = Callable[[str], float]


class ToyScorer:
    """A number for each answer."""

    spec = SCORER

    def __init__(self, score: Score) -> None:
        self.score = score

    def score_texts(self, prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
        assert all(prompt.endswith("Assistant:") for prompt in prompts)
        return [self.score(answer) for answer in answers]


def words(answer: str) -> float:
    """The share of the wanted word."""
    said = answer.split()
    return said.count("w7") / max(1, len(said))


class Workshop(NodeWorkshop):
    """Whose scorers are toys."""

    def scorer(self, spec: ScorerSpec) -> Any:
        return ToyScorer(SCORES[spec.model])


SCORES: dict[str, Score] = {"scorer": words, "toy": words}


def workshop(directory: Path, source: Any = SOURCE) -> Workshop:
    return Workshop(directory, 0, source, Models(device="cpu"), lambda done, total, note: None)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> PolicySpec:
    """A Llama of two layers and some fifty words, which ends its answers now and then."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    directory = tmp_path_factory.mktemp("policy")
    vocabulary = {word: i for i, word in enumerate(["<end>", "Human:", "Assistant:", *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<end>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(directory)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        bos_token_id=None,
        eos_token_id=0,
        initializer_range=0.1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(directory)
    return PolicySpec(str(directory), fingerprint(str(directory)), 1000, 64)


def improve(start: PolicySpec, directory: Path, **config: Any) -> PolicySpec:
    made = PPO(PPO.Config(**{**CONFIG, **config})).run({"start": start, "reward": SCORER}, workshop(directory))
    assert isinstance(made, PolicySpec)
    return made


def evaluations(directory: Path) -> list[dict[str, float]]:
    return [entry["evaluation"] for entry in read_log(directory / "log.jsonl") if "evaluation" in entry]


def weights(spec: PolicySpec) -> dict[str, Tensor]:
    state: dict[str, Tensor] = load_model(spec.model, device="cpu").state_dict()
    return state


def test_a_known_reward_is_learnt(start: PolicySpec, tmp_path: Path) -> None:
    improve(start, tmp_path, updates=30, batch=32, rate=5e-3, kl=0.0)
    found = [values["reward"] for values in evaluations(tmp_path)]
    assert found[0] < 0.1
    assert found[-1] > 0.8
