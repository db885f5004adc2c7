"""Item for item against lm-eval's own model on the same weights and the same templates, in fp32."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from cai_eval.benchmarks.lambada import Lambada
from cai_eval.benchmarks.lm_eval import LMEval
from cai_eval.contracts import PolicySpec
from cai_eval.data import PublishedSource
from cai_eval.errors import UserError
from cai_eval.inference.logprobs import Engine
from cai_eval.inference.policy import LanguageModelPolicy
from cai_eval.models.loading import context_length, load_config, load_model, load_tokenizer
from cai_eval.prefixes import make_prefix
from cai_eval.testing import RowsSource

TOLERANCE = 1e-4  # nats
PASSAGES = 40
QUESTIONS = 3  # of each subject


def live(model, tokenizer, context: int) -> LanguageModelPolicy:
    spec = PolicySpec("model", "0" * 64, 1, context)
    return LanguageModelPolicy(spec, Engine(model), tokenizer, None, 0)


def by_lm_eval(model, tokenizer, path: Path, shots: int | None = None) -> list[dict]:
    """Samples of HFLM on a task file."""
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    tasks = TaskManager(include_defaults=False).load([str(path)])
    for task in tasks["tasks"].values():
        if shots is not None:
            task.set_config("num_fewshot", shots)
    reference = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8, add_bos_token=tokenizer.bos_token == "<s>")
    results = evaluate(reference, tasks, bootstrap_iters=0, log_samples=True)
    (samples,) = results["samples"].values()
    return samples


def stock(name: str) -> str:
    import lm_eval.tasks

    return str(Path(lm_eval.tasks.__file__).parent / name)


def task_file(folder: Path, include: str, rows: list[dict], **changes) -> Path:
    """A stock task over rows of ours, every few-shot split included."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = {"test": str(folder / "rows.jsonl"), "dev": str(folder / "rows.jsonl")}
    definition = {"include": stock(include), "dataset_path": "json", "dataset_name": None}
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump(definition | {"dataset_kwargs": {"data_files": files}} | changes))
    return path


@pytest.fixture(scope="module")
def stories(data_dir):
    torch.set_num_threads(1)
    directory = str(data_dir / "stories260K_hf")
    model, tokenizer = load_model(directory, device="cpu"), load_tokenizer(directory)
    return model, tokenizer, live(model, tokenizer, context_length(load_config(directory)))


@pytest.fixture(scope="module")
def passages(data_dir) -> list[dict]:
    (published,) = Lambada.data
    rows = PublishedSource(data_dir).rows(published)
    return sorted(rows[: 2 * PASSAGES], key=lambda row: len(row["text"]))[:PASSAGES]


@pytest.mark.parametrize(
    ("config", "template", "changes", "shots"),
    [
        ({}, "lambada/lambada_openai.yaml", {}, 0),
        ({"cloze": True}, "lambada_cloze/lambada_openai_cloze.yaml", {}, 0),
        # lm-eval puts its delimiter before an example's word and a blank is there already
        ({"cloze": True, "shots": 1}, "lambada_cloze/lambada_openai_cloze.yaml", {"target_delimiter": ""}, 1),
    ],
    ids=["plain", "cloze", "one-shot cloze"],
)
def test_lambada(stories, passages, tmp_path, config, template, changes, shots):
    model, tokenizer, policy = stories
    first_n = {"fewshot_split": "test", "fewshot_config": {"sampler": "first_n"}}
    samples = by_lm_eval(model, tokenizer, task_file(tmp_path, template, passages, **first_n, **changes), shots)
    benchmark = Lambada(Lambada.Config(**config))
    records = list(benchmark.evaluate(policy, benchmark.items(RowsSource({"lambada": passages}))))
    samples = samples[shots:]
    assert len(records) == len(samples) == PASSAGES - shots
    for record, sample in zip(records, samples, strict=True):
        assert record.prompt == sample["arguments"][0][0]
        assert -record.scores["loss"] == pytest.approx(sample["perplexity"], abs=TOLERANCE)
        assert record.scores["accuracy"] == sample["acc"]
    if not config:
        assert any(sample["acc"] for sample in samples), "the comparison of decisions needs a right one"


@pytest.fixture(scope="module")
def neox(data_dir):
    """A random GPT-NeoX of two layers behind the real 50k vocabulary, with room for the longest question."""
    from tokenizers import Tokenizer
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

    torch.set_num_threads(1)
    torch.manual_seed(0)
    core = Tokenizer.from_file(str(data_dir / "tokenizers" / "20B_tokenizer.json"))
    end = "<|endoftext|>"
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token=end, eos_token=end)
    config = GPTNeoXConfig(
        vocab_size=50304,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=2048,
    )
    model = GPTNeoXForCausalLM(config).eval()
    return model, tokenizer, live(model, tokenizer, 2048)


def questions(data_dir: Path) -> list[dict]:
    """The first questions of each subject at hand, in the hub's schema."""
    rows = []
    for path in sorted((data_dir / "mmlu" / "test").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for question, *choices, answer in list(csv.reader(file))[:QUESTIONS]:
                rows.append({"question": question, "choices": choices, "answer": "ABCD".index(answer)})
    return rows


@pytest.mark.parametrize("shots", [0, 2])
def test_mmlu(neox, data_dir, tmp_path, shots):
    model, tokenizer, policy = neox
    rows = questions(data_dir)
    assert len(rows) == 8 * QUESTIONS
    path = task_file(tmp_path, "mmlu/default/_default_template_yaml", rows, task="mmlu_here", num_fewshot=shots)
    samples = by_lm_eval(model, tokenizer, path)
    benchmark = LMEval(LMEval.Config(task=str(path)))
    records = list(benchmark.evaluate(policy, benchmark.items(PublishedSource())))
    assert len(records) == len(samples) == 8 * QUESTIONS
    for record, sample in zip(records, samples, strict=True):
        assert not record.error
        assert record.prompt == sample["arguments"][0][0]
        theirs = [answer[0] for answer in sample["filtered_resps"]]
        assert record.details["logprobs"] == pytest.approx(theirs, abs=TOLERANCE)
        assert record.scores["acc"] == sample["acc"]


def test_truthfulqa_as_lm_eval_defines_it(stories, data_dir, tmp_path):
    model, tokenizer, policy = stories
    published = json.loads((data_dir / "truthfulqa" / "mc_task.json").read_text(encoding="utf-8"))
    rows = [
        {
            "question": row["question"],
            "mc1_targets": {"choices": list(row["mc1_targets"]), "labels": list(row["mc1_targets"].values())},
            "mc2_targets": {"choices": list(row["mc2_targets"]), "labels": list(row["mc2_targets"].values())},
        }
        for row in published[:8]
    ]
    path = task_file(tmp_path, "truthfulqa/truthfulqa_mc2.yaml", rows, validation_split=None, test_split="test")
    samples = by_lm_eval(model, tokenizer, path)
    benchmark = LMEval(LMEval.Config(task=str(path)))
    records = list(benchmark.evaluate(policy, benchmark.items(PublishedSource())))
    for record, sample in zip(records, samples, strict=True):
        theirs = [answer[0] for answer in sample["filtered_resps"]]
        assert record.details["logprobs"] == pytest.approx(theirs, abs=TOLERANCE)
        assert record.scores["acc"] == pytest.approx(sample["acc"], abs=TOLERANCE)


def test_greedy_generation(stories, passages, tmp_path):
    model, tokenizer, policy = stories
    definition = {
        "task": "tell_on",
        "output_type": "generate_until",
        "test_split": "test",
        "doc_to_text": "{{text}}",
        "doc_to_target": "",
        "generation_kwargs": {"until": ["."], "max_gen_toks": 24, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    path = tmp_path / "tell_on.yaml"
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in passages[:12]))
    whole = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(rows)}}}
    path.write_text(yaml.safe_dump(definition | whole))
    samples = by_lm_eval(model, tokenizer, path)
    benchmark = LMEval(LMEval.Config(task=str(path)))
    records = list(benchmark.evaluate(policy, benchmark.items(PublishedSource())))
    theirs = [sample["resps"][0][0] for sample in samples]  # decoded alone, which drops a blank at the start
    assert [record.answer.lstrip() for record in records] == [text.lstrip() for text in theirs]
    assert len({record.answer for record in records}) > len(records) / 2


def test_lm_eval_runs_a_policy_of_ours_by_name(data_dir, passages, tmp_path):
    """`simple_evaluate(model="cai-eval")`: the prefix and format of the intervention, the numbers of our benchmark."""
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.tasks import TaskManager

    import cai_eval.study.lm_eval_model  # noqa: F401 - enters the model

    directory = str(data_dir / "stories260K_hf")
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Human: Who are you?\n\nAssistant: A small model that tells stories.\n\n-----\n")
    path = task_file(tmp_path, "lambada/lambada_openai.yaml", passages[:8])
    results = simple_evaluate(
        model="cai-eval",
        model_args={"pretrained": directory, "intervention": "hhh-prompt", "prompt": str(prompt), "device": "cpu"},
        tasks=[str(path)],
        task_manager=TaskManager(include_defaults=False),
        bootstrap_iters=0,
    )
    assert results["config"]["prefix"] == "1 of 1 conversations"
    (samples,) = results["samples"].values()

    tokenizer, model = load_tokenizer(directory), load_model(directory, device="cpu")
    prefix = make_prefix(tokenizer, prompt.read_text().strip(), "")
    spec = PolicySpec("model", "0" * 64, 1, 512, prefix=prefix)
    policy = LanguageModelPolicy(spec, Engine(model), tokenizer, None, 0)
    benchmark = LMEval(LMEval.Config(task=str(path)))
    for record, sample in zip(benchmark.evaluate(policy, benchmark.items(PublishedSource())), samples, strict=True):
        assert record.scores["perplexity"] == pytest.approx(-sample["perplexity"], abs=TOLERANCE)
        assert record.scores["acc"] == sample["acc"]


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [({"intervention": "hhh-promt"}, "did you mean 'hhh-prompt'"), ({"intervention": "hhh-prompt"}, "conversations=K")],
)
def test_what_the_model_cannot_do_is_one_sentence(data_dir, arguments, mend):
    from cai_eval.study.lm_eval_model import CaiEvalLM

    with pytest.raises(UserError, match=mend):
        CaiEvalLM(pretrained=str(data_dir / "stories260K_hf"), device="cpu", **arguments)


@pytest.mark.slow  # lm-eval's command indexes all of its tasks first
def test_lm_evals_own_command_line(data_dir, passages, tmp_path):
    path = task_file(tmp_path, "lambada/lambada_openai.yaml", passages[:4])
    model = f"pretrained={data_dir / 'stories260K_hf'},intervention=dialogue-only"
    command = ["run", "--model", "cai-eval", "--model_args", model, "--tasks", str(path)]
    program = [sys.executable, "-m", "cai_eval.study.lm_eval_model", *command]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "|lambada_openai|" in done.stdout
