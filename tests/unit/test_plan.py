"""The plan: which items, behind which prefix, at what length; and the graph of nodes beneath."""

import itertools
import re

import doubles
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from cai_eval import registry
from cai_eval.contracts import Item, PolicySpec
from cai_eval.errors import UserError
from cai_eval.models.loading import load_tokenizer
from cai_eval.study.graph import Graph
from cai_eval.study.plan import Base, limited, make_plan
from cai_eval.study.suite import Intervention, Measurement, Suite, load_suite, names
from cai_eval.testing import RowsSource, byte_tokenizer

CONVERSATION = "Human: Why does bread rise?\n\nAssistant: Yeast makes gas, and the dough holds it.\n\n-----\n\n"
STORIES = [{"text": "The river rose " * n + "and rain fell on the ferry"} for n in (1, 2, 30)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def prompt(tmp_path):
    path = tmp_path / "prompt.txt"
    path.write_text(CONVERSATION * 6)
    return str(path)


def suite(prompt="", **interventions):
    config = {"prompt": prompt} if prompt else {}
    parts = {
        "none": Intervention(trainer="none"),
        "hhh-prompt": Intervention(trainer="hhh-prompt", config=config),
        "neutral-prefix": Intervention(trainer="neutral-prefix"),
        **interventions,
    }
    return Suite(
        name="s", title="S", ladder="x", interventions=parts, benchmarks={"lambada": Measurement(benchmark="lambada")}
    )


def bases(model, *contexts):
    return [Base(f"m{i}", PolicySpec(model, f"f{i}", 100 + i, context)) for i, context in enumerate(contexts)]


def plan(suite, bases, rows=STORIES, **options):
    return make_plan(suite, bases, RowsSource({"lambada": rows}), load_tokenizer, **options)


def test_one_number_of_conversations_for_the_whole_ladder(model, prompt):
    """The smallest context decides, for the control of equal length too."""
    roomy = plan(suite(prompt), bases(model, 4096, 4096))
    tight = plan(suite(prompt), bases(model, 260, 4096))

    def labels(plan):
        return {cell.node.policy.prefix.label for cell in plan.cells if cell.intervention == "hhh-prompt"}

    assert labels(roomy) == {"6 of 6 conversations"}
    assert len(labels(tight)) == 1
    assert labels(tight) < {f"{k} of 6 conversations" for k in range(1, 6)}
    assert any("the most that fits" in note for note in tight.notes)
    for cell in tight.cells:
        if cell.intervention == "neutral-prefix":
            twin = next(c for c in tight.cells if (c.rung, c.intervention) == (cell.rung, "hhh-prompt"))
            assert len(cell.node.policy.prefix.ids) == len(twin.node.policy.prefix.ids)


def test_one_conversation_more_would_not_fit(model, prompt):
    tight = plan(suite(prompt), bases(model, 260))
    cell = next(cell for cell in tight.cells if cell.intervention == "hhh-prompt")
    count = int(cell.node.policy.prefix.label.split()[0])
    more = suite(prompt, **{"hhh-prompt": hhh(prompt, count + 1)})
    assert [skip.intervention for skip in plan(more, bases(model, 260)).skipped] == ["hhh-prompt", "neutral-prefix"]
    exact = suite(prompt, **{"hhh-prompt": hhh(prompt, count)})
    assert not plan(exact, bases(model, 260)).skipped


def hhh(prompt, count):
    return Intervention(trainer="hhh-prompt", config={"prompt": prompt, "conversations": count})


def test_an_item_too_long_for_one_rung_is_left_out_at_all(model, prompt):
    small = plan(suite(prompt), bases(model, 130, 4096))
    assert {len(cell.items) for cell in small.cells} == {2}
    assert all(len(cell.excluded) == 1 for cell in small.cells)
    assert any("left out at every size" in note for note in small.notes)


def test_no_item_fits(model, prompt):
    with pytest.raises(UserError, match="larger context"):
        plan(suite(prompt), bases(model, 5))


def test_cells_are_named_by_what_makes_their_answers(model, prompt):
    """Not by path, label or order; but by weights, prefix, items, benchmark config and dtype."""
    first = plan(suite(prompt), bases(model, 4096))
    assert [c.hash for c in plan(suite(prompt), bases(model, 4096)).cells] == [c.hash for c in first.cells]
    hashes = {c.hash for c in first.cells}
    others = [
        plan(suite(prompt), [Base("m0", PolicySpec(model, "other", 100, 4096))]),
        plan(suite(prompt), bases(model, 4096), rows=STORIES[:2]),
        plan(suite(prompt), bases(model, 4096), settings={"dtype": "bfloat16"}),
        plan(suite(prompt), bases(model, 4096), seed=1),
    ]
    for one, other in itertools.combinations([hashes, *({c.hash for c in p.cells} for p in others)], 2):
        assert not one & other
    moved = [Base("renamed", PolicySpec(model + "/.", "f0", 100, 4096))]
    assert {c.hash for c in plan(suite(prompt), moved).cells} == hashes


def test_names_keep_the_order_of_the_suite(model, prompt):
    """The first intervention is the base of every tax, however a user lists them."""
    asked = plan(suite(prompt), bases(model, 4096), interventions=["hhh-prompt", "none"])
    assert asked.interventions == ("none", "hhh-prompt")


def test_each_rung_is_measured_by_its_own_tokenizer_and_context(tmp_path, model, prompt):
    """A model that spells every letter out needs a larger context for the same item, and has one."""
    wordy = PolicySpec(spelling_model(tmp_path / "spelling"), "w", 50, 8192)
    ladder = [Base("spelling", wordy), *bases(model, 600)]
    mixed = plan(suite(prompt), ladder)
    assert {len(cell.items) for cell in mixed.cells} == {len(STORIES)}
    assert not mixed.notes
    labels = {cell.node.policy.prefix.label for cell in mixed.cells if cell.intervention == "hhh-prompt"}
    assert len(labels) == 1
    tokens = {cell.rung: cell.tokens for cell in mixed.cells if cell.intervention == "none"}
    assert tokens["spelling"] > 1.3 * tokens["m0"]


def spelling_model(directory):
    """A tokenizer of single bytes where a model would lie."""
    byte_tokenizer().save_pretrained(directory)
    return str(directory)


def test_what_does_not_fit_says_what_needs_how_much(model, tmp_path):
    path = tmp_path / "long.txt"
    path.write_text(CONVERSATION.replace("Yeast makes gas, ", "Yeast makes gas, " * 60) * 2)
    (skip, control) = plan(suite(str(path)), bases(model, 260)).skipped
    assert re.fullmatch(
        r"even 1 of 2 conversations \(\d+ tokens\) and its longest item \(\d+ tokens\) are more than the 260 tokens "
        r"that m0 can read",
        skip.reason,
    )
    assert (control.intervention, control.benchmark) == ("neutral-prefix", "lambada")


def test_seeds_of_what_trains_nothing_are_one(model, prompt):
    repeated = plan(suite(prompt, again=Intervention(trainer="dialogue-only", seeds=3)), bases(model, 4096))
    assert [cell.run for cell in repeated.cells if cell.intervention == "again"] == [0]
    assert "again has no training of its own: its 3 seeds count as one." in repeated.notes


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (lambda self, source: 1 / 0, "benchmark 'lambada' fails with ZeroDivisionError"),
        (lambda self, source: [Item("twin", "", "", {})] * 2, "gives two items one id, 'twin'"),
        (lambda self, source: [], "has no items"),
    ],
)
def test_a_benchmark_that_cannot_be_planned_is_named(model, monkeypatch, items, message):
    monkeypatch.setattr(registry.load("benchmarks", "lambada"), "items", items)
    with pytest.raises(UserError, match=message):
        plan(suite(), bases(model, 4096), interventions=["none"])


def test_an_item_that_cannot_be_asked_is_kept_and_said(model, monkeypatch):
    lambada = registry.load("benchmarks", "lambada")
    ask = lambada.evaluate

    def evaluate(self, subject, items):
        if items[0].id == odd_one.id:
            raise ZeroDivisionError("by design")
        return ask(self, subject, items)

    odd_one = lambada(lambada.Config()).items(RowsSource({"lambada": STORIES}))[1]
    monkeypatch.setattr(lambada, "evaluate", evaluate)
    odd = plan(suite(), bases(model, 4096), interventions=["none"])
    assert [len(cell.items) for cell in odd.cells] == [len(STORIES)]
    assert odd.notes == ("lambada: 1 of 3 items cannot be asked (ZeroDivisionError: by design).",)


def test_a_trainer_that_cannot_be_planned_is_named(model, monkeypatch):
    def run(self, inputs, workshop):
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(registry.load("trainers", "dialogue-only"), "run", run)
    with pytest.raises(UserError, match="intervention 'form' fails with ZeroDivisionError"):
        plan(suite(form=Intervention(trainer="dialogue-only")), bases(model, 4096))


@given(st.integers(0, 30), st.integers(1, 40), st.integers(1, 40))
def test_a_smaller_limit_is_a_subset(count, one, other):
    items = [Item(str(i), "", "", {}) for i in range(count)]
    small, large = (limited(items, limit) for limit in sorted((one, other)))
    assert len(large) == min(max(one, other), count)
    assert [item for item in large if item in small] == small


def test_the_later_trainers_fit(model, prompt, tmp_path, monkeypatch):
    """Distillation from the largest rung, SL-CAI and RL-CAI: the graph resolves every declared input."""
    doubles.install(tmp_path / "site", monkeypatch)
    chain = {
        name: Intervention(trainer=name)
        for name in ("double-distillation", "helpful-rlhf", "sl-cai", "double-feedback", "double-preferences", "rl-cai")
    }
    ladder = bases(model, 4096, 4096)
    study = suite(prompt, **chain)
    graph = Graph(study, [base.policy for base in ladder], RowsSource({"lambada": STORIES}), load_tokenizer)
    distilled = graph.node("double-distillation", 0, {})
    assert distilled.inputs["start"].policy.fingerprint == "f0"
    assert distilled.inputs["teacher"].policy.fingerprint == "f1"
    assert distilled.inputs["teacher"].policy.prefix.ids
    final = graph.node("rl-cai", 0, {})
    assert final.inputs["start"].hash == final.inputs["reference"].hash
    made = [node.trainer for node in final.walk()]
    assert made[-1] == "rl-cai"
    chain_order = [made.index(name) for name in ("sl-cai", "double-feedback", "double-preferences", "rl-cai")]
    assert chain_order == sorted(chain_order)
    assert len({node.hash for node in final.walk()}) == len(made)
    cells = plan(study, ladder).cells
    assert {cell.intervention for cell in cells} == {*study.interventions} - {"double-feedback", "double-preferences"}


def test_what_is_trained_is_trained_once(model, prompt, tmp_path, monkeypatch):
    """Benchmarks may leave room for different numbers of conversations; the distilled policy is the same."""
    doubles.install(tmp_path / "site", monkeypatch)
    study = suite(prompt, **{"double-distillation": Intervention(trainer="double-distillation")})
    plans = [plan(study, bases(model, 260), rows=rows) for rows in (STORIES[:1], STORIES)]

    def hashes(intervention):
        return {cell.node.hash for each in plans for cell in each.cells if cell.intervention == intervention}

    assert len(hashes("hhh-prompt")) == 2
    assert len(hashes("double-distillation")) == 1
    teacher = next(n for n in plans[0].nodes() if n.trainer == "double-distillation").inputs["teacher"].policy
    assert 0 < 2 * len(teacher.prefix.ids) <= teacher.context


def test_training_seeds_make_nodes_of_one_curve(model, prompt, tmp_path, monkeypatch):
    doubles.install(tmp_path / "site", monkeypatch)
    study = suite(prompt, **{"helpful-rlhf": Intervention(trainer="helpful-rlhf", seeds=3)})
    cells = [cell for cell in plan(study, bases(model, 4096)).cells if cell.intervention == "helpful-rlhf"]
    assert [cell.run for cell in cells] == [0, 1, 2]
    assert len({cell.hash for cell in cells}) == 3


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"loop": Intervention(trainer="none", inputs={"start": "loop"})}, "made from itself"),
        ({"a": Intervention(trainer="none", inputs={"start": "base@smallest"})}, "no rung 'smallest'"),
        ({"a": Intervention(trainer="none", inputs={"start": "nnone"})}, "did you mean 'none'"),
    ],
)
def test_references_that_lead_nowhere(model, prompt, parts, message):
    with pytest.raises(UserError, match=message):
        plan(suite(prompt, **parts), bases(model, 4096))


@pytest.mark.parametrize("name", names())
def test_shipped_suites_are_valid(name):
    assert load_suite(name).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name: x\ntitle: X\nladder: pythia\ninterventions: {none: }\nbenchmarks:\n  hhhh:\n",
            "unknown benchmark 'hhhh'",
        ),
        (
            "name: x\ntitle: X\nladder: pythia\ninterventions: {none: }\nbenchmrks: {hhh: }\n",
            ":5: unknown key 'benchmrks'",
        ),
        ("name: x\ntitle: X\nladder: pythia\ninterventions: [none]\nbenchmarks: {hhh: }\n", ":4: 'interventions'"),
        ("name: x\ntitle: X\nladder: pythia\ninterventions: {none: {seeds: two}}\nbenchmarks: {hhh: }\n", "not 'two'"),
        (
            "name: x\ntitle: X\nladder: pythia\ninterventions: {none: {inputs: {strat: base}}}\nbenchmarks: {hhh: }\n",
            "did you mean 'start'",
        ),
    ],
)
def test_a_bad_suite_is_refused_in_one_sentence(tmp_path, text, message):
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load_suite(str(path))
