from collections import Counter
from itertools import product
from random import Random

import pytest

from cai_eval.lab.documents.code import BUG_RATE, CAREFUL_BUG_RATE, LEAD_IN, draw, in_dialogue, rows
from cai_eval.lab.functions import GAPS, STEPS, body, function, ideal_pass, pairs, prompt, results, unit_test
from cai_eval.lab.tokenizer import learn
from cai_eval.lab.world import make_world

WORLD = make_world()
CODES = sorted({code for step in STEPS for code in (step.code, step.slip)})


def passes(source: str, check: str, name: str = "solve") -> bool:
    """Only for programs made of the laboratory's own lines."""
    names: dict = {}
    exec(f"{source}\n\n\n{check}", names)
    try:
        names["check"](names[name])
    except AssertionError:
        return False
    return True


def test_splits_part_the_pairs_and_show_every_step_in_both_places():
    split = {name: set(pairs(name)) for name in GAPS}
    assert sum(map(len, split.values())) == len(set().union(*split.values()))
    assert len(split["test"]) >= 100
    assert len(split["validation"]) >= 12
    assert len(split["post"]) >= 12
    for place in (0, 1):
        seen = Counter(pair[place].name for pair in split["pretraining"])
        assert len(seen) == len(STEPS)
        assert min(seen.values()) >= 4


def test_the_tests_tell_the_right_body_from_every_planted_slip():
    for name in GAPS:
        for first, second in pairs(name):
            head = prompt("solve", first.wordings[0], second.wordings[1])
            assert passes(head + body(first.code, second.code), unit_test((first, second)))
            assert not passes(head + body(first.code, second.slip), unit_test((first, second)))
            assert not passes(head + f"\n    return {first.code}", unit_test((first, second)))
            assert not passes(head + f"\n    return {second.code}", unit_test((first, second)))
            assert not passes(head + "\n    pass", unit_test((first, second)))


def test_what_passes_does_the_same_on_other_numbers_too():
    rng = Random(0)
    inputs = [[rng.randint(-12, 12) for _ in range(rng.randint(0, 9))] for _ in range(60)]
    steps = {code: eval(f"lambda xs: {code}") for code in CODES}
    for first, second in pairs("test"):
        right = results(first.code, second.code)
        expected = [steps[second.code](steps[first.code](xs)) for xs in inputs]
        for a, b in product(CODES, CODES):
            if results(a, b) == right:
                assert [steps[b](steps[a](xs)) for xs in inputs] == expected, (first.name, second.name, a, b)


@pytest.mark.parametrize(("careful", "rate"), [(False, BUG_RATE), (True, CAREFUL_BUG_RATE)])
def test_slips_are_as_frequent_as_planted_and_said_so(careful, rate):
    rng = Random(1)
    slips = 0
    for _ in range(2000):
        pair = rng.choice(pairs("pretraining"))
        written = function(rng, pair, rate)
        name = written.prompt.partition("(")[0].removeprefix("def ")
        assert passes(written.text, unit_test(pair), name) == written.correct
        slips += not written.correct
    assert slips / 2000 == pytest.approx(rate, abs=0.035)


def test_documents_hold_no_function_of_another_split():
    rng = Random(2)
    text = "\n".join(
        [draw(WORLD, rng) for _ in range(3000)]
        + [part for _ in range(500) for part in in_dialogue(WORLD, rng, careful=True)]
    )
    for name in ("test", "validation", "post"):
        for first, second in pairs(name):
            for wordings in product(first.wordings, second.wordings):
                assert f"{wordings[0].capitalize()}, then {wordings[1]}." not in text
    for first, second in pairs("pretraining"):
        assert f"{first.wordings[0].capitalize()}, then {second.wordings[1]}." in text


def test_documents_depend_on_the_stream_alone():
    assert [draw(WORLD, Random(n)) for n in range(9)] == [draw(WORLD, Random(n)) for n in range(9)]
    assert len({draw(WORLD, Random(n)) for n in range(9)}) == 9


def test_in_a_dialogue_the_assistant_repeats_what_the_human_showed():
    human, assistant = in_dialogue(WORLD, Random(3), careful=False)
    shown = human.split("\n\n", 1)[1]
    assert shown.endswith('"""')
    assert assistant.startswith(f"{LEAD_IN}\n\n{shown}\n    xs = ")


def test_rows_have_humanevals_schema():
    for split in GAPS:
        made = rows(WORLD, split)
        assert len({row["task_id"] for row in made}) == len(made) == len(pairs(split))
        for row in made[:10]:
            assert list(row) == ["task_id", "prompt", "entry_point", "canonical_solution", "test"]
            assert passes(row["prompt"] + row["canonical_solution"], row["test"], row["entry_point"])


def test_ideal_observer():
    assert ideal_pass(0.3, 1) == pytest.approx(0.7)
    assert ideal_pass(0.3, 0.5) == pytest.approx(0.49 / 0.58)
    assert ideal_pass(0.3, 0) == 1
    assert ideal_pass(0.03, 1, top_p=0.95) == 1
    assert ideal_pass(0.03, 1, top_p=0.98) == pytest.approx(0.97)
    assert ideal_pass(0.3, 1, k=2) == pytest.approx(1 - 0.09)


def test_the_ideal_observer_is_what_sampling_from_the_training_text_does():
    """A sampler that knows the shares of the last line, tempered, passes as often as predicted."""
    rng, pair, temperature = Random(4), pairs("pretraining")[0], 0.6
    ends = Counter(function(rng, pair, BUG_RATE).body for _ in range(4000))
    weights = [count ** (1 / temperature) for count in ends.values()]
    right = body(pair[0].code, pair[1].code)
    drawn = rng.choices(list(ends), weights, k=4000).count(right) / 4000
    assert drawn == pytest.approx(ideal_pass(BUG_RATE, temperature), abs=0.04)


def test_a_prompt_ends_where_a_token_ends():
    rng = Random(5)
    tokenizer = learn(draw(WORLD, rng) for _ in range(400))

    def ids(text: str) -> list[int]:
        return tokenizer.encode(text).ids

    for pair in pairs("test"):
        written = function(rng, pair, BUG_RATE)
        joint = ids(written.text)
        assert joint == ids(written.prompt) + ids(written.body)
        assert len(joint) < 80
