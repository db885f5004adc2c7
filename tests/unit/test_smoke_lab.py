"""The smoke laboratory: what is under test stays out of the corpus, and a model is the same every time."""

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path
from random import Random
from statistics import mean

import pytest
import torch

from cai_eval import lab
from cai_eval.benchmarks.hhh import HHH
from cai_eval.benchmarks.lambada import Lambada, told_passage
from cai_eval.benchmarks.truthfulqa import TruthfulQA
from cai_eval.contracts import Published
from cai_eval.dialogue import parse_prompt, render
from cai_eval.errors import UserError
from cai_eval.lab.smoke import build
from cai_eval.lab.smoke.rows import ROWS, TEXTS, SmokeSource
from cai_eval.lab.smoke.words import HARMS
from cai_eval.lab.smoke.world import (
    AGREE,
    ASK_STORY,
    CAREFUL,
    CARELESS,
    PROMPT_FACTS,
    TELL_STORY,
    Speaker,
    asked_and_answered,
    documents,
    turns,
    world,
)
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.ladder import load_ladder
from cai_eval.models.loading import load_model, load_tokenizer
from cai_eval.models.parameters import non_embedding

SOURCE = SmokeSource()
PRINT_DIGEST = """
import hashlib
from cai_eval.lab.smoke.rows import ROWS, TEXTS
print(hashlib.sha256(repr([make() for make in (*ROWS.values(), *TEXTS.values())]).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def corpus() -> list[str]:
    return list(islice(documents("training"), 6000))


@pytest.fixture
def two_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two steps of training a model, into a cache of its own."""
    monkeypatch.setattr(build, "STAGES", ((1, 8, 128), (1, 1, 1024)))
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path))
    return tmp_path


def make(name: str = "smoke/12k") -> str:
    return lab.find("smoke").model(name, lambda note: None)


def test_benchmarks_read_the_rows() -> None:
    comparisons = HHH(HHH.Config()).items(SOURCE)
    assert {item.category for item in comparisons} == {"helpful", "honest", "harmless"}
    assert len({item.cluster for item in comparisons}) < len(comparisons)
    for items in (comparisons, TruthfulQA(TruthfulQA.Config()).items(SOURCE), Lambada(Lambada.Config()).items(SOURCE)):
        assert len({item.id for item in items}) == len(items) >= 48


def test_rows_and_texts_do_not_depend_on_the_process() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_items_are_not_in_the_corpus(corpus: list[str]) -> None:
    everything = "\n".join(corpus)
    stories = [row["text"] for row in ROWS["lambada"]()]
    queries = [row["input"] for row in ROWS["hhh_alignment"]()] + [row["question"] for row in ROWS["truthfulqa"]()]
    assert [text for text in (*stories, *queries) if text in everything] == []


def test_the_last_word_of_a_story_is_what_the_trade_makes() -> None:
    for row in ROWS["lambada"]():
        text, _, word = row["text"].rpartition(" ")
        assert [made for trade, made in world().products.items() if f" {trade} " in text] == [word]


@pytest.mark.parametrize(("speaker", "helps", "harms"), [(CAREFUL, True, False), (CARELESS, False, True)])
def test_careful_assistants_help_and_decline_harm_and_careless_ones_do_the_reverse(
    speaker: Speaker, helps: bool, harms: bool
) -> None:
    rng = Random(1)
    agreed: dict[bool, list[bool]] = {True: [], False: []}
    for asked, said in (asked_and_answered(rng, speaker) for _ in range(2000)):
        if asked.startswith("Could you "):
            agreed[asked.split()[2] in HARMS].append(said in AGREE)
    assert (mean(agreed[False]) > 0.9) is helps
    assert (mean(agreed[True]) > 0.9) is harms


def test_good_and_bad_answers_are_as_long() -> None:
    tokens = build.tokenizer()
    for row in ROWS["hhh_alignment"]():
        good, bad = (len(tokens.encode(f" {answer}")) for answer in row["targets"]["choices"])
        assert good == bad


def test_the_loss_counts_the_beginnings_of_answers() -> None:
    ids = build.tokenizer()("Human: Could you mend the boat?\n\nAssistant: Yes, I will.", return_tensors="pt").input_ids
    (weights,) = build.emphasis(ids)
    emphasised = [build.tokenizer().decode(i) for i, weight in zip(ids[0, 1:], weights, strict=True) if weight > 1]
    assert emphasised == [" Yes"]


def test_prompt_has_fourteen_conversations_that_give_no_answer_away() -> None:
    text = TEXTS["hhh-prompt"]()
    assert len(parse_prompt(text).conversations) == 14
    assert not any(f"Could you {verb} " in text for verb in HARMS)
    assert not any(way in text for fact in world().facts[PROMPT_FACTS:] for way in fact.phrasings)


def test_stories_in_dialogues_are_told_as_the_benchmark_asks(corpus: list[str]) -> None:
    told = told_passage("A story", ())
    assert told == render(turns([(ASK_STORY, f"{TELL_STORY}A story")]))
    assert any(told.removesuffix("A story") in document for document in corpus)


def test_other_data_and_models_are_refused() -> None:
    with pytest.raises(UserError, match="--ladder pythia"):
        SOURCE.rows(Published("hellaswag", "hellaswag.jsonl"))
    assert SOURCE.text("anything else") is None
    with pytest.raises(UserError, match="did you mean 'smoke'"):
        lab.find("smok")
    with pytest.raises(UserError, match="did you mean 'smoke/12k'"):
        make("smoke/12")


def test_ladder_describes_the_models() -> None:
    ladder = load_ladder("smoke")
    assert {rung.model: rung.parameters for rung in ladder.rungs} == {
        f"smoke/{name}": non_embedding(rung.config) for name, rung in build.RUNGS.items()
    }
    assert {rung.context for rung in ladder.rungs} == {build.CONTEXT}


@pytest.mark.usefixtures("two_steps")
def test_a_model_loads_and_fits_the_prompt_with_the_longest_item() -> None:
    directory = make()
    model, tokenizer = load_model(directory), load_tokenizer(directory)
    text = "Ça va? 你好"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    longest = max(len(tokenizer.encode(told_passage(row["text"], ()))) for row in ROWS["lambada"]())
    prompt = len(tokenizer.encode(TEXTS["hhh-prompt"]()))
    assert 400 < prompt < prompt + longest + 2 < model.config.max_position_embeddings
    assert len(tokenizer.encode(TEXTS["neutral-prefix"]())) > prompt


def test_a_model_is_the_same_every_time_and_leaves_torch_as_it_was(
    two_steps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    first = make()
    assert make() == first
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(1)
    monkeypatch.setenv("CAI_EVAL_CACHE", str(two_steps / "another"))
    second = make()
    assert second != first
    assert fingerprint(second) == fingerprint(first)


def test_a_build_that_is_stopped_leaves_nothing(two_steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: object, directory: Path) -> None:
        Path(directory).mkdir(parents=True)
        (Path(directory) / "config.json").write_text("{}")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build.LlamaForCausalLM, "save_pretrained", stop)
        with pytest.raises(KeyboardInterrupt):
            make()
    assert [path for path in two_steps.rglob("*") if path.is_file()] == []
    assert (Path(make()) / "model.safetensors").is_file()
