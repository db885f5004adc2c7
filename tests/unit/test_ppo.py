"""PPO: what a right implementation passes (the mathematics has its own tests)."""

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from cai_eval.contracts import Artefact, ContextTooLong, PolicySpec, Prefix, ScorerSpec
from cai_eval.errors import UserError
from cai_eval.inference.encoding import Encoder
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.loading import load_model, load_tokenizer
from cai_eval.study.workshop import Models, NodeWorkshop
from cai_eval.testing import RowsSource, check_trainer
from cai_eval.trainers.ppo import PPO
from cai_eval.trainers.ppo_snapshot import PPOSnapshot
from cai_eval.training.data import MICRO_TOKENS
from cai_eval.training.log import read_log
from cai_eval.training.ppo import algorithm
from cai_eval.training.ppo.loop import train_ppo
from cai_eval.training.ppo.rollouts import ActorCritic, Rollouts, collate, read
from cai_eval.training.ppo.turns import draw_turns
from cai_eval.training.ppo.updates import FILLED, Settings, Updates, micro_batches

WORDS = [f"w{number}" for number in range(40)]
SOURCE = RowsSource(
    {
        "helpful-prompts": [{"id": w, "prompt": f"{w} {w}", "kind": "benign"} for w in WORDS[:20]],
        "red-team-prompts": [{"id": w, "prompt": w, "kind": "harmful"} for w in WORDS[20:]],
    }
)
CONFIG = {"updates": 4, "batch": 8, "minibatches": 2, "epochs": 2, "rate": 1e-2, "warmup": 0, "max_tokens": 6}
SETTINGS: dict[str, Any] = {
    "rate": 1e-2,
    "warmup": 0,
    "epochs": 1,
    "minibatches": 2,
    "max_tokens": 6,
    "coefficient": 0.1,
}
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


def reciprocal(answer: str) -> float:
    """Of the answer's length: another opinion."""
    return 1 / (1 + len(answer))


class Workshop(NodeWorkshop):
    """Whose scorers are toys; `held-out` has another opinion."""

    def scorer(self, spec: ScorerSpec) -> Any:
        return ToyScorer(reciprocal if spec.model == "held-out" else words)


def workshop(directory: Path, kind: type[NodeWorkshop] = Workshop) -> NodeWorkshop:
    return kind(directory, 0, SOURCE, Models(device="cpu"), lambda done, total, note: None)


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


def improve(start: PolicySpec, directory: Path, kind: type[NodeWorkshop] = Workshop, **config: Any) -> PolicySpec:
    made = PPO(PPO.Config(**{**CONFIG, **config})).run({"start": start, "reward": SCORER}, workshop(directory, kind))
    assert isinstance(made, PolicySpec)
    return made


def updates_of(start: PolicySpec, score: Score = words, batch: int = 8, **settings: Any) -> Updates:
    """Updates with nothing around them."""
    model, reference = (load_model(start.model, device="cpu", dtype="float32") for _ in range(2))
    tokenizer = load_tokenizer(start.model)
    chosen = Settings(**{**SETTINGS, **settings})
    rollouts = Rollouts(model, tokenizer, Encoder(tokenizer), chosen.max_tokens, seed=0)
    turns = [" ".join([WORDS[i % 20]] * (1 + i % 3)) for i in range(batch)]
    return Updates(ActorCritic(model), reference, rollouts, ToyScorer(score), None, lambda _: turns, chosen, 0, list)


def evaluations(directory: Path) -> list[dict[str, float]]:
    return [entry["evaluation"] for entry in read_log(directory / "log.jsonl") if "evaluation" in entry]


def timeless(path: Path) -> list[dict[str, object]]:
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in read_log(path)]


def weights(spec: PolicySpec) -> dict[str, Tensor]:
    state: dict[str, Tensor] = load_model(spec.model, device="cpu").state_dict()
    return state


# ---------------------------------------------------------------------------------------------------
# Learning
# ---------------------------------------------------------------------------------------------------


def test_a_known_reward_is_learnt_and_a_collapse_told_once(start: PolicySpec, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"collapsed to \d different answers to 32 prompts in update") as told:
        improve(start, tmp_path, updates=30, batch=32, rate=5e-3, kl=0.0)
    assert sum("collapsed" in str(warning.message) for warning in told) == 1
    found = evaluations(tmp_path)
    assert found[0]["reward"] < 0.1
    assert found[-1]["reward"] > 0.8
    assert found[-1]["kl"] > 1
    assert found[0]["distinct"] > 0.9
    assert found[-1]["distinct"] <= 0.1
    assert (found[0]["collapsed"], found[-1]["collapsed"]) == (0, 1)


def test_values_are_learnt(start: PolicySpec) -> None:
    losses = []
    updates = updates_of(start, lambda answer: 1.0, minibatches=1)
    optimizer = torch.optim.Adam(updates.actor.parameters(), 1e-2)
    for step in range(8):
        for batch in updates.batches(step):
            loss, _ = updates.objective(updates.actor, batch)
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(updates.evaluate(updates.actor, step + 1)["value_loss"])
    assert losses[-1] < losses[0] / 4


def test_the_penalty_holds_the_policy_near_its_reference(start: PolicySpec, tmp_path: Path) -> None:
    last = {}
    for coefficient in (0.0, 1.0):
        improve(start, tmp_path / str(coefficient), updates=8, batch=16, kl=coefficient)
        last[coefficient] = evaluations(tmp_path / str(coefficient))[-1]["kl"]
    assert last[1.0] < last[0.0] / 2


# ---------------------------------------------------------------------------------------------------
# The first update
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_at_first_the_policy_is_its_reference_and_its_old_self(
    start: PolicySpec, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    real = algorithm.policy_loss

    def spy(logprobs: Tensor, old: Tensor, *others: Any) -> Tensor:
        seen.append(torch.exp(logprobs - old).detach())
        return real(logprobs, old, *others)

    monkeypatch.setattr(algorithm, "policy_loss", spy)
    improve(start, tmp_path, precision=precision)
    assert evaluations(tmp_path)[0]["kl"] == 0.0
    assert torch.equal(seen[0], torch.ones_like(seen[0]))
    assert not torch.equal(seen[1], torch.ones_like(seen[1]))


def test_what_is_read_is_what_was_drawn(start: PolicySpec) -> None:
    model, tokenizer = load_model(start.model, device="cpu"), load_tokenizer(start.model)
    rollouts = Rollouts(model, tokenizer, Encoder(tokenizer), 6, seed=0)
    answers = [answer for group in rollouts.draw(["w1", "w2 w3 w4"] * 8, "key", 2) for answer in group]
    finishes = Counter(answer.finish for answer in answers)
    assert finishes["end"] > 0
    assert finishes["length"] > 0
    logprobs, _ = read(model, collate(answers))
    alone = torch.cat([read(model, collate([answer]))[0] for answer in answers])
    torch.testing.assert_close(logprobs, alone, rtol=1e-5, atol=1e-5)
    for answer, found in zip(answers, torch.split(logprobs, [a.length for a in answers]), strict=True):
        end = tokenizer.eos_token_id
        assert (answer.ids[-answer.length :] == end).tolist() == [False] * (answer.length - 1) + [
            answer.finish == "end"
        ]
        assert tokenizer.decode(answer.ids).startswith(" ".join(answer.prompt.split()))
        assert answer.text == tokenizer.decode(answer.ids[-answer.length :], skip_special_tokens=True)
        ids = torch.from_numpy(answer.ids)
        with torch.no_grad():
            direct = model(ids[None]).logits[0, :-1].log_softmax(-1).gather(-1, ids[1:, None])[-answer.length :, 0]
        torch.testing.assert_close(found, direct, rtol=1e-5, atol=1e-5)


def test_answers_are_drawn_from_the_whole_distribution(start: PolicySpec) -> None:
    """At temperature 1 and with nothing cut off: else the KL that is estimated from them could be negative."""
    model, tokenizer = load_model(start.model, device="cpu"), load_tokenizer(start.model)
    (answers,) = Rollouts(model, tokenizer, Encoder(tokenizer), 1, seed=0).draw(["w1 w2"], "key", 3000)
    with torch.no_grad():
        logits = model(torch.from_numpy(answers[0].ids[None, :-1])).logits[0, -1]
    expected = 3000 * logits.double().softmax(-1).numpy()
    drawn = np.bincount([answer.ids[-1] for answer in answers], minlength=len(expected))
    assert drawn.min() > 0
    squares = ((drawn - expected) ** 2 / expected).sum()
    assert squares < len(expected) + 4 * math.sqrt(2 * len(expected))


def test_answers_are_those_of_the_weights_as_they_are_now(start: PolicySpec) -> None:
    model, tokenizer = load_model(start.model, device="cpu"), load_tokenizer(start.model)
    prompted = Encoder(tokenizer, Prefix(tuple(range(3, 35)), " ".join(WORDS[:32]), separator=" "))
    rollouts = Rollouts(model, tokenizer, prompted, 6, seed=0)
    first = texts(rollouts)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    second = texts(rollouts)
    assert second == texts(Rollouts(model, tokenizer, prompted, 6, seed=0)) != first


def texts(rollouts: Rollouts) -> list[str]:
    return [answer.text for (answer,) in rollouts.draw(WORDS[:8], "key")]


def test_pads_change_nothing(start: PolicySpec) -> None:
    updates = updates_of(start, minibatches=1)
    batch = updates.batches(0)[0]
    lengths = [len(updates.experience.answers[i].ids) for i in updates.experience.groups[0][0]]
    padding = torch.arange(batch["input_ids"].shape[1]) >= torch.tensor(lengths)[:, None]
    assert padding.any()
    poisoned = {**batch, "input_ids": batch["input_ids"].masked_fill(padding, 5)}
    gradients = []
    for one in (batch, poisoned):
        loss, _ = updates.objective(updates.actor, one)
        gradients.append(torch.autograd.grad(loss, list(updates.actor.parameters())))
    for first, second in zip(*gradients, strict=True):
        assert torch.equal(first, second)


def test_returns_and_penalties_stand_where_they_belong(start: PolicySpec) -> None:
    updates = updates_of(start, lambda answer: 3.0, batch=16, minibatches=1, lam=1.0, cut_penalty=2.0)
    batches = updates.batches(0)
    told = updates.experience
    rows = [i for group in told.groups[0] for i in group]
    cut = [told.answers[i].finish == "length" for i in rows for _ in range(told.answers[i].length)]
    assert 0 < sum(cut) < len(cut)
    returns, advantages = (torch.cat([batch[name] for batch in batches]) for name in ("returns", "advantages"))
    assert returns.tolist() == [3.0 - 2.0 * each for each in cut]
    assert told.scores.tolist() == [3.0] * 16
    assert advantages.mean().item() == pytest.approx(0, abs=1e-6)
    assert advantages.var(correction=0).item() == pytest.approx(1, abs=1e-3)


def test_what_is_logged_is_what_the_answers_say(start: PolicySpec) -> None:
    """The KL by the estimator that is never negative; of clipping, tokens that lose their gradient."""
    updates = updates_of(start, batch=16, minibatches=1, clip=0.01)
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in updates.reference.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=noise))
        batches = updates.batches(0)
        for parameter in updates.actor.model.parameters():
            parameter.mul_(1.02)
        for batch in batches:
            updates.objective(updates.actor, batch)
    told, logged = updates.experience, updates.evaluate(updates.actor, 1)
    lengths = [answer.length for answer in told.answers]
    ratios = [row[:length] for row, length in zip(told.log_ratio, lengths, strict=True)]
    assert logged["kl"] == pytest.approx(np.mean([(torch.exp(-each) - 1 + each).sum().item() for each in ratios]))
    assert logged["kl"] != pytest.approx(np.mean([each.sum().item() for each in ratios]), rel=0.01)
    drawn = [row[:length] for row, length in zip(told.logprobs, lengths, strict=True)]
    assert logged["entropy"] == pytest.approx(-torch.cat(drawn).mean().item())
    assert logged["length"] == np.mean(lengths)
    assert logged["cut"] == np.mean([answer.finish == "length" for answer in told.answers])
    moved = torch.cat([(read(updates.actor.model, batch)[0] - batch["logprobs"]).exp() for batch in batches])
    gains = torch.cat([batch["advantages"] for batch in batches])
    lost = torch.where(gains > 0, moved > 1.01, (gains < 0) & (moved < 0.99))
    assert logged["clipped"] == pytest.approx(lost.double().mean().item())
    assert 0 < logged["clipped"] < 1


# ---------------------------------------------------------------------------------------------------
# Steps, resume, guards
# ---------------------------------------------------------------------------------------------------


def test_every_update_has_epochs_times_minibatches_steps_and_goes_over_all_tokens(
    start: PolicySpec, tmp_path: Path
) -> None:
    improve(start, tmp_path, updates=3, batch=7, epochs=2, minibatches=3)
    entries = read_log(tmp_path / "log.jsonl")
    counts = [entry["count"] for entry in entries if "count" in entry]
    told = evaluations(tmp_path)
    assert len(counts) == 3 * 2 * 3
    for update, values in enumerate(told):
        for epoch in range(2):
            first = update * 6 + epoch * 3
            assert sum(counts[first : first + 3]) == pytest.approx(values["length"] * 7)


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 9000), min_size=1, max_size=40))
def test_micro_batches_hold_every_answer_once_and_few_pads(lengths: list[int]) -> None:
    found = micro_batches(range(len(lengths)), lengths)
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    for batch in found:
        longest = max(lengths[row] for row in batch)
        assert len(batch) * longest <= MICRO_TOKENS or len(batch) == 1
        assert all(lengths[row] >= FILLED * longest for row in batch)


class Stopped(Workshop):
    """Killed when it scores for the third time (the best of n, and one update's answers, come first)."""

    def scorer(self, spec: ScorerSpec) -> Any:
        calls = 0

        def interrupt(answer: str) -> float:
            nonlocal calls
            calls += 1
            if calls > 8 * 16 + 8 + 3:
                raise KeyboardInterrupt
            return words(answer)

        return ToyScorer(interrupt)


@pytest.mark.parametrize("config", [{}, {"kl_target": 0.5}, {"lora_rank": 2}])
def test_a_training_that_was_stopped_ends_in_the_same_bits(
    start: PolicySpec, config: dict[str, Any], tmp_path: Path
) -> None:
    if "lora_rank" in config:
        pytest.importorskip("peft")
    whole = improve(start, tmp_path / "whole", **config)
    with pytest.raises(KeyboardInterrupt):
        improve(start, tmp_path / "cut", Stopped, **config)
    assert len(evaluations(tmp_path / "cut")) == 1
    resumed = improve(start, tmp_path / "cut", **config)
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)
    assert resumed.fingerprint == whole.fingerprint != start.fingerprint
    for name in ("log.jsonl", "samples.jsonl"):
        assert timeless(tmp_path / "cut" / name) == timeless(tmp_path / "whole" / name)
    coefficients = {values["coefficient"] for values in evaluations(tmp_path / "cut")}
    assert (len(coefficients) > 1) == ("kl_target" in config)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_reward_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    start: PolicySpec, broken: float, tmp_path: Path
) -> None:
    class Broken(Workshop):
        def scorer(self, spec: ScorerSpec) -> Any:
            calls = 0

            def score(answer: str) -> float:
                nonlocal calls
                calls += 1
                return broken if calls > 8 * 16 + 2 * 8 else words(answer)

            return ToyScorer(score)

    with pytest.raises(UserError, match=r"in update 3 the answer .* scores (nan|inf): mend the preference model"):
        improve(start, tmp_path, Broken)
    assert not (tmp_path / "model").exists()
    kept = sorted(path.name[:13] for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-00000004", "step-00000008"]
    improve(start, tmp_path)
    assert len(evaluations(tmp_path)) == 4


def test_a_rate_of_nought_moves_nothing_and_is_an_error(start: PolicySpec, tmp_path: Path) -> None:
    still = Settings(**{**SETTINGS, "rate": 0.0})
    with pytest.raises(UserError, match="changed no weight"):
        train_ppo(start, start, ToyScorer(words), None, [["w1", "w2"]], still, workshop(tmp_path))


def test_the_reference_stays_as_it_was(start: PolicySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Any] = []

    def load(*arguments: Any, **options: Any) -> Any:
        loaded.append(load_model(*arguments, **options))
        return loaded[-1]

    monkeypatch.setattr("cai_eval.training.ppo.loop.load_model", load)
    improve(start, tmp_path)
    policy, reference = (model.state_dict() for model in loaded)
    torch.testing.assert_close(reference, weights(start), rtol=0, atol=0)
    assert not torch.equal(policy["lm_head.weight"], reference["lm_head.weight"])


def test_a_reference_that_reads_other_tokens_is_refused(start: PolicySpec, tmp_path: Path) -> None:
    inputs = {"start": start, "reward": SCORER, "reference": replace(start, prefix=Prefix((3, 4), "w0 w1"))}
    with pytest.raises(UserError, match="do not read the same tokens"):
        PPO(PPO.Config(**CONFIG)).run(inputs, workshop(tmp_path))


# ---------------------------------------------------------------------------------------------------
# What is asked, what is kept
# ---------------------------------------------------------------------------------------------------


def test_prompts_come_in_their_shares_and_again_when_they_are_used_up() -> None:
    shares = {"red-team-prompts": 1.0, "helpful-prompts": 3.0}
    drawn = draw_turns(SOURCE, shares, updates=5, batch=8, seed=0, fits=lambda turn: True)
    assert [len(turns) for turns in drawn] == [8] * 5
    for turns in drawn:
        assert sum(" " not in turn for turn in turns) == 2
    helpful = [turn for turns in drawn for turn in turns if " " in turn]
    assert set(Counter(helpful[:20]).values()) == {1}
    assert max(Counter(helpful).values()) == 2
    assert drawn == draw_turns(SOURCE, shares, updates=5, batch=8, seed=0, fits=lambda turn: True)
    assert drawn != draw_turns(SOURCE, shares, updates=5, batch=8, seed=1, fits=lambda turn: True)
    assert drawn[:3] == draw_turns(SOURCE, shares, updates=3, batch=8, seed=0, fits=lambda turn: True)


def test_prompts_that_do_not_fit_are_left_out() -> None:
    (turns,) = draw_turns(SOURCE, {"helpful-prompts": 1.0}, 1, 30, 0, fits=lambda turn: turn.endswith("0"))
    assert set(turns) == {"w0 w0", "w10 w10"}
    with pytest.raises(UserError, match="no prompt of helpful-prompts leaves room for an answer"):
        draw_turns(SOURCE, {"helpful-prompts": 1.0}, 1, 8, 0, fits=lambda turn: False)


def test_what_a_preference_model_cannot_read_is_not_asked_and_else_a_sentence(
    start: PolicySpec, tmp_path: Path
) -> None:
    narrow = replace(SCORER, context=10)  # "Human: w0 w0 Assistant:" are four, an answer six, and one ends the text
    with pytest.raises(UserError, match="contexts of policy and preference models"):
        PPO(PPO.Config(**CONFIG)).run({"start": start, "reward": narrow}, workshop(tmp_path / "none"))
    fitting = {"start": start, "reward": replace(SCORER, context=11)}
    PPO(PPO.Config(**{**CONFIG, "updates": 1})).run(fitting, workshop(tmp_path / "some"))

    def too_long(answer: str) -> float:
        raise ContextTooLong("an answer of 12 tokens does not fit")

    with pytest.raises(UserError, match="in update 1 an answer of 12 tokens does not fit: lower 'max_tokens'"):
        updates_of(start, too_long).batches(0)


def test_all_that_a_reader_needs_is_kept(start: PolicySpec, tmp_path: Path) -> None:
    inputs = {"start": start, "reward": SCORER, "held_out": replace(SCORER, model="held-out")}
    made = PPO(PPO.Config(**CONFIG)).run(inputs, workshop(tmp_path))
    assert isinstance(made, PolicySpec)
    assert made.format == "dialogue"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best-of-n.json", "log.jsonl", "model", "samples.jsonl"]
    found = evaluations(tmp_path)
    assert len(found) == 4
    assert all(values["sqrt_kl"] ** 2 == pytest.approx(values["kl"]) for values in found)
    assert all(0 < values["held_out"] <= 1 for values in found)
    assert all(0 < values["entropy"] <= math.log(43) * 1.5 for values in found)
    samples = read_log(tmp_path / "samples.jsonl")
    assert Counter(sample["step"] for sample in samples) == {1: 4, 2: 4, 3: 4, 4: 4}
    for sample in samples:
        assert sample["prompt"].endswith("Assistant:")
        assert sample["reward"] == pytest.approx(words(sample["answer"]))
        assert sample["held_out"] == pytest.approx(reciprocal(sample["answer"]))
    best = json.loads((tmp_path / "best-of-n.json").read_text())
    assert best["n"] == [1, 4, 16]
    assert best["reward"] == sorted(best["reward"])
    assert not np.isnan(best["held_out"]).any()


def test_samples_leave_the_events_of_the_training_alone(
    start: PolicySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorBoard hides all from the step on at which a new writer begins, and samples have another count."""
    begun: list[int] = []
    monkeypatch.setattr("cai_eval.training.log._event_writer", lambda folder, step: begun.append(step))
    improve(start, tmp_path, updates=2)
    assert begun == [0]


def test_snapshots_are_policies_of_their_updates(start: PolicySpec, tmp_path: Path) -> None:
    made = improve(start, tmp_path, snapshots=(1, 4))
    shorter = improve(start, tmp_path / "shorter", updates=1)
    first, last = (
        PPOSnapshot(PPOSnapshot.Config(update=update)).run({"of": made}, workshop(tmp_path / "unused"))
        for update in (1, 4)
    )
    assert isinstance(first, PolicySpec)
    assert isinstance(last, PolicySpec)
    assert first.fingerprint == shorter.fingerprint != last.fingerprint == made.fingerprint
    assert first.format == "dialogue"
    with pytest.raises(UserError, match=r"no snapshot after 2 updates \(there are: 1, 4\)"):
        PPOSnapshot(PPOSnapshot.Config(update=2)).run({"of": made}, workshop(tmp_path / "unused"))


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"batch": 2, "minibatches": 3}, "minibatches"),
        ({"updates": 3, "snapshots": (4,)}, "snapshots"),
        ({"prompts": {}}, "prompts"),
        ({"prompts": {"helpful-prompts": math.inf}}, "finite"),
        ({"kl": math.inf}, "finite"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(config: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        PPO.Config(**config)


def test_ppo_keeps_its_promises(start: PolicySpec) -> None:
    inputs: dict[str, Artefact] = {"start": start, "reference": start, "reward": SCORER, "held_out": SCORER}
    check_trainer(PPO, CONFIG, inputs=inputs, source=SOURCE, workshop=lambda directory, _: workshop(directory))


def test_snapshots_keep_their_promises(start: PolicySpec, tmp_path: Path) -> None:
    made = improve(start, tmp_path, updates=1, snapshots=(1,))
    check_trainer(PPOSnapshot, {"update": 1}, inputs={"of": made}, workshop=lambda directory, _: workshop(directory))
