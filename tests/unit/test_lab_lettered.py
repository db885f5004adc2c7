"""Lettered questions as text: where a prompt ends, tokens have a boundary, and the letter is one token."""

from random import Random

import pytest

from cai_eval.lab.documents import forum, hints, judged, lettered, reasoning
from cai_eval.lab.tokenizer import learn
from cai_eval.lab.world import make_world
from cai_eval.lettered import choice, judgement, label, prompt, short, transcript

WORLD = make_world()
QUESTION = "What is the gate of Bado made of?"
ASKED = {
    "short": (short(QUESTION), "copper"),
    "choice": (choice(QUESTION, ("copper", "oak", "none of the above")), "(B)"),
    "judgement": (judgement(QUESTION, "copper"), "(A)"),
    "after guesses": (judgement(QUESTION, "copper", ("copper", "oak")), "(B)"),
    "reasoned": (choice(QUESTION, ("oak", "clay")).before("Reasoning: it is clay."), "(B)"),
    "after an article": (short(QUESTION).after("Article: it is clay."), "clay"),
}


@pytest.fixture(scope="module")
def tokenizer():
    kinds = (forum, judged, lettered, reasoning, hints)
    return learn(kind.draw(WORLD, Random(number)) for number in range(600) for kind in kinds)


def test_a_choice_lists_its_options_by_letter():
    asked = choice(QUESTION, ("copper", "oak"))
    assert prompt(asked, "plain") == f"Question: {QUESTION}\nChoices:\n (A) copper\n (B) oak\nAnswer:"
    assert prompt(asked, "dialogue") == f"Human: Question: {QUESTION}\nChoices:\n (A) copper\n (B) oak\n\nAssistant:"


def test_a_judgement_shows_guesses_only_where_there_are_some():
    assert "Guesses: copper, oak\nProposed answer: oak\n" in judgement(QUESTION, "oak", ("copper", "oak")).body
    assert "Guesses" not in judgement(QUESTION, "oak").body
    assert prompt(judgement(QUESTION, "oak"), "plain").endswith("\n (A) True\n (B) False\nThe proposed answer is:")


@pytest.mark.parametrize("form", ["plain", "dialogue"])
def test_a_prompt_and_its_answer_are_the_transcript(form):
    examples = list(ASKED.values())
    asked, answer = examples[-1]
    assert f"{prompt(asked, form, examples[:-1])} {answer}" == transcript(examples, form)


@pytest.mark.parametrize("form", ["plain", "dialogue"])
@pytest.mark.parametrize("name", ASKED)
def test_prompts_end_where_tokens_do(tokenizer, name, form):
    asked, answer = ASKED[name]
    context = prompt(asked, form)
    separate = tokenizer.encode(context).tokens + tokenizer.encode(f" {answer}").tokens
    assert tokenizer.encode(f"{context} {answer}").tokens == separate


def test_the_letter_is_one_token_with_its_parentheses_wherever_it_stands(tokenizer):
    for number in range(5):
        (letter,) = tokenizer.encode(f" {label(number)}").ids
        for text in (f"Answer: {label(number)}", f"Choices:\n {label(number)} oak", f"- oak {label(number)}\n"):
            assert tokenizer.encode(text).ids.count(letter) == 1
