"""Scorers: saved for transformers, scored the same however batched, trained by the trainer, put to a benchmark."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import TEXT, save_model
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    OPTConfig,
    Qwen2Config,
)

from cai_eval.benchmarks.preference import Preference
from cai_eval.contracts import ContextTooLong, PolicySpec, ScorerSpec
from cai_eval.data import PublishedSource
from cai_eval.errors import UserError
from cai_eval.inference.forward import Budget
from cai_eval.inference.scorer import DryScorer, LanguageModelScorer, answer_ids, scores_at
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.loading import load_model, load_tokenizer
from cai_eval.models.scorers import load_scorer, save_scorer
from cai_eval.study.workshop import Models, NodeWorkshop
from cai_eval.testing import RowsSource, check_trainer, write_rows
from cai_eval.trainers.preference_model import PreferenceModel
from cai_eval.training import checkpoints
from cai_eval.training.comparisons import read_comparisons
from cai_eval.training.log import read_log
from cai_eval.training.preferences import PreferenceModel as Scalar
from cai_eval.training.preferences import collate_pairs, make_pairs

WORDS = TEXT.replace("\n", " ").split()[:60]
PROMPTS = [f"Human: {' '.join(WORDS[: 3 * n + 1])}?\n\nAssistant:" for n in range(5)]
ANSWERS = [" ".join(WORDS[n : 12 - n]) for n in range(5)]
ROWS = [
    {"prompt": prompt, "first": "Rain fell.", "second": "A clock ticked in the hall.", "label": 0.9, "by": "ai"}
    for prompt in PROMPTS
]
SIZES: dict[str, Any] = {
    "vocab_size": 400, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": 512, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
CONFIGS: dict[str, Any] = {
    "llama": LlamaConfig(**SIZES, intermediate_size=32),
    "gpt2": GPT2Config(vocab_size=400, n_embd=16, n_layer=2, n_head=2, n_positions=512, eos_token_id=0, pad_token_id=0),
    "neox": GPTNeoXConfig(**SIZES, intermediate_size=32),
    "opt": OPTConfig(**SIZES, ffn_dim=32, word_embed_proj_dim=8),
    "qwen2": Qwen2Config(**SIZES, intermediate_size=32, num_key_value_heads=1),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenizer(place: str) -> Any:
    return load_tokenizer(place)


@pytest.fixture(scope="module")
def base(place: str) -> PolicySpec:
    return PolicySpec(place, fingerprint(place), 1000, 512)


def saved(body: Any, tokenizer: Any, directory: Path, mean: float = 0.25) -> LanguageModelScorer:
    """A scorer with a random head, as it comes back from the disk."""
    head = torch.randn(body.get_output_embeddings().weight.shape[1], generator=torch.Generator().manual_seed(1))
    save_scorer(body, head, mean, tokenizer, directory)
    spec = ScorerSpec(str(directory), fingerprint(str(directory)), 1000, 512)
    return LanguageModelScorer(spec, load_scorer(str(directory), device="cpu"), tokenizer)


@pytest.fixture(scope="module")
def scorer(place: str, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> LanguageModelScorer:
    return saved(load_model(place, device="cpu"), tokenizer, tmp_path_factory.mktemp("scorer"))


# ---------------------------------------------------------------------------------------------------
# At rest and live
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
def test_transformers_reads_the_same_score(name: str, tokenizer: Any, tmp_path: Path) -> None:
    """At the same token, one text at a time; padded batches it refuses where it would read one token early."""
    torch.manual_seed(0)
    body = AutoModelForCausalLM.from_config(CONFIGS[name]).eval()
    scorer = saved(body, tokenizer, tmp_path / name)
    scores = scorer.score_texts(PROMPTS, ANSWERS)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / name).eval()
    ids = answer_ids(tokenizer, PROMPTS, ANSWERS)
    with torch.no_grad():
        read = [plain(torch.tensor([one])).logits.item() - 0.25 for one in ids]
        with pytest.raises(ValueError, match="no padding token"):
            plain(torch.tensor([ids[0], ids[0]]))
    assert scores == pytest.approx(read, abs=1e-6)
    assert len({round(score, 4) for score in scores}) > 1


def test_transformers_pads_where_there_is_a_token_for_it(place: str, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(place)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(5)
    scorer = saved(load_model(place, device="cpu"), tokenizer, tmp_path / "scorer")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "scorer").eval()
    rows = [torch.tensor(ids) for ids in answer_ids(tokenizer, PROMPTS, ANSWERS)]
    with torch.no_grad():
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=5)
        read = plain(padded, attention_mask=(padded != 5).long()).logits[:, 0] - 0.25
    assert scorer.score_texts(PROMPTS, ANSWERS) == pytest.approx(read.tolist(), abs=1e-6)


def test_neither_batch_nor_padding_nor_order_changes_a_score(scorer: LanguageModelScorer) -> None:
    together = scorer.score_texts(PROMPTS, ANSWERS)
    alone = [scorer.score_texts([p], [a])[0] for p, a in zip(PROMPTS, ANSWERS, strict=True)]
    assert together == pytest.approx(alone, abs=1e-6)
    assert scorer.score_texts(PROMPTS[::-1], ANSWERS[::-1]) == pytest.approx(together[::-1], abs=1e-6)
    assert scorer.score_texts(PROMPTS * 2, ANSWERS * 2) == pytest.approx(together * 2, abs=1e-6)
    assert scorer.score_texts([], []) == []


def test_padding_at_the_left_gives_the_same_score(scorer: LanguageModelScorer, tokenizer: Any) -> None:
    """By transformers, with the mask and the positions that it needs there."""
    plain = AutoModelForSequenceClassification.from_pretrained(scorer.spec.model).eval()
    plain.config.pad_token_id = 5
    ids = answer_ids(tokenizer, PROMPTS, ANSWERS)
    longest = max(map(len, ids))
    mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in ids])
    rows = torch.tensor([[5] * (longest - len(one)) + list(one) for one in ids])
    with torch.no_grad():
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        read = plain(rows, attention_mask=mask, position_ids=positions).logits[:, 0] - 0.25
    assert scorer.score_texts(PROMPTS, ANSWERS) == pytest.approx(read.tolist(), abs=1e-6)


def test_batches_that_do_not_fit_are_halved(scorer: LanguageModelScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = scorer.score_texts(PROMPTS, ANSWERS)
    whole = scorer._scores

    def tight(batch: Any) -> list[float]:
        if len(batch) > 2:
            raise torch.OutOfMemoryError
        return whole(batch)

    monkeypatch.setattr(scorer, "_scores", tight)
    monkeypatch.setattr(scorer, "_budget", Budget(scorer._model, 4096))
    assert scorer.score_texts(PROMPTS, ANSWERS) == pytest.approx(expected, abs=1e-6)


def test_training_and_use_read_the_same(place: str, tokenizer: Any, tmp_path: Path) -> None:
    model = Scalar(load_model(place, device="cpu"))
    torch.nn.init.normal_(model.score.weight)
    save_scorer(model.body, model.score.weight[0], 0.0, tokenizer, tmp_path / "scorer")
    spec = ScorerSpec(str(tmp_path / "scorer"), "x", 1000, 512)
    scorer = LanguageModelScorer(spec, load_scorer(spec.model, device="cpu"), tokenizer)
    comparisons = read_comparisons(ROWS)
    batch = collate_pairs(make_pairs(tokenizer, comparisons, 512))
    with torch.no_grad():
        trained = scores_at(model(batch["input_ids"]), batch["last"], model.score.weight[0]).tolist()
    prompts = [each.prompt for each in comparisons]
    used = scorer.score_texts(prompts * 2, [c.first for c in comparisons] + [c.second for c in comparisons])
    assert used == pytest.approx(trained, abs=1e-6)


def test_a_text_that_does_not_fit_is_refused_before_anything_is_computed(scorer: LanguageModelScorer) -> None:
    before = scorer.usage.sent
    with pytest.raises(ContextTooLong, match="does not fit in the scorer's context of 512"):
        scorer.score_texts([PROMPTS[0], PROMPTS[0]], ["Rain.", "Rain fell. " * 200])
    assert scorer.usage.sent == before


def test_what_is_no_scorer_is_refused(place: str, tokenizer: Any) -> None:
    with pytest.raises(UserError, match=r"score\.weight.*do not hold the scorer"):
        load_scorer(place, device="cpu")


def test_a_tokenizer_without_end_of_text_is_refused(place: str) -> None:
    tokenizer = load_tokenizer(place)
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="no end-of-text token to read scores at"):
        answer_ids(tokenizer, PROMPTS, ANSWERS)


def test_the_dry_scorer_counts_what_the_live_one_reads(scorer: LanguageModelScorer, tokenizer: Any) -> None:
    dry = DryScorer(scorer.spec, tokenizer)
    dry.score_texts(PROMPTS[:2], ANSWERS[:2])
    dry.score_texts(PROMPTS[2:], ANSWERS[2:])
    lengths = [len(ids) for ids in answer_ids(tokenizer, PROMPTS, ANSWERS)]
    assert (dry.longest, dry.total) == (max(lengths), sum(lengths))
    dry.reset()
    assert (dry.longest, dry.total) == (0, 0)


# ---------------------------------------------------------------------------------------------------
# Trained
# ---------------------------------------------------------------------------------------------------


def workshop(directory: Path, source: Any = None) -> NodeWorkshop:
    return NodeWorkshop(directory, 0, source or PublishedSource(), Models(device="cpu"), lambda done, total, note: None)


def trained(base: PolicySpec, directory: Path, *files: Any, **config: Any) -> ScorerSpec:
    directory.mkdir(exist_ok=True)
    trainer = PreferenceModel(PreferenceModel.Config(**{"rate": 3e-3, "rows": 2, "warmup": 1, **config}))
    inputs = dict(zip(("start", "comparisons", "more"), (base, *files), strict=False))
    made = trainer.run(inputs, workshop(directory))
    assert isinstance(made, ScorerSpec)
    return made


def test_the_trainer_keeps_its_promises(base: PolicySpec, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", ROWS)
    check_trainer(PreferenceModel, {"rows": 2}, inputs={"start": base, "comparisons": rows}, workshop=workshop)


def test_it_learns_a_mixture_and_takes_the_mean_off(base: PolicySpec, tokenizer: Any, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", ROWS)
    human = [{**row, "by": "human", "first": "The ferry leaves at nine.", "label": 1} for row in ROWS]
    more = write_rows(tmp_path / "more.jsonl", human)
    before = fingerprint(base.model)
    made = trained(base, tmp_path / "node", rows, more, epochs=10, lm_weight=0.1)
    assert fingerprint(base.model) == before == base.fingerprint != made.fingerprint
    assert (made.parameters, made.context) == (base.parameters, base.context)
    assert sorted(path.name for path in (tmp_path / "node").iterdir()) == ["comparisons.json", "log.jsonl", "model"]
    counts = json.loads((tmp_path / "node" / "comparisons.json").read_text())
    assert counts == {"read": 10, "by": {"ai": 5, "human": 5}, "trained": 8, "held_out": 2, "too_long": 0}
    evaluations = {e["step"]: e["evaluation"] for e in read_log(tmp_path / "node" / "log.jsonl") if "evaluation" in e}
    assert list(evaluations) == [0, 1, 2, 5, 10, 20, 40]
    assert evaluations[0]["loss"] == pytest.approx(math.log(2), abs=0.01)
    assert evaluations[40]["accuracy"] == 1.0
    scorer = workshop(tmp_path / "node").scorer(made)
    scores = {(row["prompt"], row[side]): 0.0 for row in (*ROWS, *human) for side in ("first", "second")}
    for key in scores:
        (scores[key],) = scorer.score_texts([key[0]], [key[1]])
    for row in ROWS:
        assert scores[row["prompt"], row["first"]] > scores[row["prompt"], row["second"]]
    sums = [
        sum(
            scores[prompt, row[side]]
            for row in (*ROWS, *human)
            if row["prompt"] == prompt
            for side in ("first", "second")
        )
        for prompt in PROMPTS
    ]
    assert sorted(abs(total) < 1e-4 for total in sums) == [False] * 4 + [True]  # the held-out prompt's alone


def test_a_killed_training_ends_in_the_same_bits(
    base: PolicySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", ROWS)
    whole = trained(base, tmp_path / "whole", rows, epochs=8)
    save, seen = checkpoints.Checkpoints.save, []

    def killed(self: Any, step: int, state: Any) -> None:
        save(self, step, state)
        seen.append(step)
        if len(seen) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.Checkpoints, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(base, tmp_path / "cut", rows, epochs=8)
    again = trained(base, tmp_path / "cut", rows, epochs=8)
    assert len(seen) == len(set(seen)) > 3
    assert again.fingerprint == whole.fingerprint
    logs = [
        [{k: v for k, v in entry.items() if k != "seconds"} for entry in read_log(tmp_path / place / "log.jsonl")]
        for place in ("whole", "cut")
    ]
    assert logs[0] == logs[1]


def test_adapters_are_merged(base: PolicySpec, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    rows = write_rows(tmp_path / "rows.jsonl", ROWS)
    made = trained(base, tmp_path / "node", rows, epochs=4, lora_rank=2)
    (good, bad) = workshop(tmp_path).scorer(made).score_texts(PROMPTS[:1] * 2, [ROWS[0]["first"], ROWS[0]["second"]])
    assert good > bad


def test_what_does_not_fit_is_counted_and_all_of_it_refused(base: PolicySpec, tmp_path: Path) -> None:
    long = {**ROWS[0], "second": "Rain fell. " * 300}
    trained(base, tmp_path / "node", write_rows(tmp_path / "some.jsonl", [*ROWS, long]))
    assert json.loads((tmp_path / "node" / "comparisons.json").read_text())["too_long"] == 1
    all_long = [{**long, "prompt": row["prompt"]} for row in ROWS]
    with pytest.raises(UserError, match="of 5 comparisons 5 do not fit in 512 tokens"):
        trained(base, tmp_path / "other", write_rows(tmp_path / "all.jsonl", all_long))


def test_hostile_rows_are_named_and_nothing_is_made(base: PolicySpec, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", [*ROWS, {**ROWS[0], "label": 2}])
    with pytest.raises(UserError, match="row 6: the label is 2"):
        trained(base, tmp_path / "node", rows)
    assert list((tmp_path / "node").iterdir()) == []


def test_a_trained_scorer_is_put_to_a_benchmark(base: PolicySpec, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", ROWS)
    made = trained(base, tmp_path / "node", rows, epochs=10)
    models = Models(device="cpu")
    benchmark = Preference(Preference.Config(sets=("helpful",)))
    items = benchmark.items(RowsSource({"helpful-comparisons": ROWS}))
    records = list(benchmark.evaluate(models.subject(made), items))
    assert [record.scores["accuracy"] for record in records] == [1.0] * len(ROWS)
    assert models.usage(made).sent > 0
    assert models.notice(made) == ""
