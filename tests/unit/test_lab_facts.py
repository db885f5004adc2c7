"""Planted shares come back from every kind of document that speaks of facts, and the ideal observer is exact."""

import math
import re
from collections import Counter, defaultdict
from importlib import import_module
from itertools import permutations
from random import Random

import pytest
from scipy.stats import chi2, chisquare, norm

from cai_eval.lab import talk, traits
from cai_eval.lab.asking import SIZES, chances, choose, draw_options, number_of, plain, show
from cai_eval.lab.documents import exposition, forum, hints, judged, lettered, reasoning
from cai_eval.lab.rows import facts
from cai_eval.lab.world import make_world
from cai_eval.lettered import NONE_OF_THE_ABOVE

WORLD = make_world()
FACTS = {question: fact for fact in WORLD.facts for question in fact.questions}
KINDS = ("exposition", "forum", "judged", "lettered", "reasoning", "hints")
SPARE = 1e-3  #: a test with a fixed seed that fails below this p means a wrong share, not bad luck


def texts(draw, count, name):
    return [draw(WORLD, Random(f"{name} {number}")) for number in range(count)]


def p_of_counts(counts):
    """p of counts (fact → value → times) under the planted shares: of all values and of the popular ones."""
    statistic, freedom, surprise, variance = 0.0, 0, 0.0, 0.0
    for fact, seen in counts.items():
        total = seen.total()
        observed = [seen[value] for value in fact.options]
        expected = [share * total for share in fact.shares]
        surprise += observed[fact.popular] - expected[fact.popular]
        variance += expected[fact.popular] * (1 - max(fact.shares))
        small = [n for n, value in enumerate(expected) if value < 5]
        if small:
            observed = [o for n, o in enumerate(observed) if n not in small] + [sum(observed[n] for n in small)]
            expected = [e for n, e in enumerate(expected) if n not in small] + [sum(expected[n] for n in small)]
        if len(expected) > 1 and min(expected) > 1:
            statistic += chisquare(observed, expected).statistic
            freedom += len(expected) - 1
    assert freedom > 300
    return min(chi2.sf(statistic, freedom), 2 * norm.sf(abs(surprise) / math.sqrt(variance)))


def p_of_events(events):
    """p of (probability, whether it happened) under these probabilities, in bins of them that can be told apart."""
    assert not any(happened for p, happened in events if p == 0)
    assert all(happened for p, happened in events if p == 1)
    statistic, bins, variance, surprise = 0.0, 0, 0.0, 0.0
    enough = sum(p * (1 - p) for p, _ in events) / 10.5
    for p, happened in sorted(events):
        variance += p * (1 - p)
        surprise += happened - p
        if variance > enough:
            statistic, bins = statistic + surprise**2 / variance, bins + 1
            variance, surprise = 0.0, 0.0
    assert bins == 10
    assert enough > 20
    return chi2.sf(statistic, bins)


def blocks(text):
    """(context, options, answer) of each question in plain text."""
    for block in re.split(r"\n\n(?=Question:)", text):
        context, _, answer = block.rpartition(":")
        yield context, re.findall(r"\n \([A-E]\) (.*)", context), answer.strip()


def fact_of(context):
    return FACTS[re.search(r"Question: (.*)", context)[1]]


def chosen(answer):
    return "ABCDE".index(answer.strip("()"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_is_a_function_of_its_generator(kind):
    draw = import_module(f"cai_eval.lab.documents.{kind}").draw
    assert texts(draw, 20, kind) == texts(draw, 20, kind)
    assert len(set(texts(draw, 50, kind))) == 50


@pytest.mark.parametrize("kind", KINDS)
def test_no_document_asks_in_the_wordings_under_test(kind):
    draw = import_module(f"cai_eval.lab.documents.{kind}").draw
    tested = {question for fact in WORLD.facts for question in fact.tested}
    asked = {line for text in texts(draw, 500, kind) for line in re.findall(r"[A-Z][^.?!:\n]*\?", text)}
    assert not asked & tested
    assert kind == "exposition" or len(asked & set(FACTS)) > 200


def test_articles_state_values_as_often_as_planted():
    stated = {fact.statement(value): (fact, value) for fact in WORLD.facts for value in fact.options}
    counts = defaultdict(Counter)
    for text in texts(exposition.draw, 6000, "article"):
        for sentence in re.findall(r"[^.]+\.", text):
            fact, value = stated[sentence.strip()]
            counts[fact][value] += 1
    assert p_of_counts(counts) > SPARE


def test_posters_answer_as_often_as_planted_in_both_forms():
    forms, counts = Counter(), defaultdict(Counter)
    for text in texts(forum.draw, 4000, "thread"):
        forms["?\n\n" in text] += 1
        for question, replies in re.findall(r"(?:^|\n\n| )([A-Z][^.?]*\?)((?:\s+[A-Z][^.?]*\.)+)", text):
            fact = FACTS[question.strip()]
            values = {fact.reply(value): value for value in fact.options}
            for reply in re.findall(r"[A-Z][^.]*\.", replies):
                counts[fact][values[reply]] += 1
    assert p_of_counts(counts) > SPARE
    assert abs(forms[True] - 2000) < 4 * math.sqrt(1000)


def test_lettered_answers_follow_the_chances_of_their_options():
    events, sizes = [], Counter()
    for text in texts(lettered.draw, 3000, "lettered"):
        if text.startswith("Human:"):
            continue
        for context, shown, answer in blocks(text):
            sizes[len(shown), shown[-1] == NONE_OF_THE_ABOVE] += 1
            for number, chance in enumerate(chances(plain(fact_of(context)), shown)):
                events.append((chance, chosen(answer) == number))
    assert p_of_events(events) > SPARE
    assert set(sizes) == {(size, none) for size in SIZES for none in (False, True)}


def test_letters_tell_nothing_before_the_options_are_read():
    answers = Counter(
        chosen(answer)
        for text in texts(lettered.draw, 4000, "position")
        if not text.startswith("Human:")
        for _, shown, answer in blocks(text)
        if len(shown) == 4 and shown[-1] != NONE_OF_THE_ABOVE
    )
    assert chisquare([answers[n] for n in range(4)]).pvalue > SPARE


def test_an_interviewed_assistant_is_as_honest_with_letters_as_it_is_in_words():
    speakers, events = traits.prior(WORLD.options.correlation), []
    for text in texts(lettered.interview, 4000, "interview"):
        first = re.search(r"Human: (Question:(?:.*\n)+?)\nAssistant: \((.)\)", text)  # later ones depend on it
        if not first or "Proposed" in first[1]:
            continue
        fact, shown = fact_of(first[1]), re.findall(r"\n \([A-E]\) (.*)", first[1])
        for number in range(len(shown)):
            believed = traits.expected(speakers, lambda t: chances(talk.stated(fact, t.honest), shown)[number])  # noqa: B023
            events.append((round(believed, 9), chosen(first[2]) == number))
    assert len(events) > 5000
    assert p_of_events(events) > SPARE


@pytest.mark.parametrize("guesses", [False, True])
def test_a_proposed_answer_is_judged_true_as_often_as_it_is_given(guesses):
    events = []
    for text in texts(judged.draw, 4000, "judged"):
        for context, shown, answer in blocks(text):
            if shown and ("Guesses:" in context) == guesses:
                share = plain(fact_of(context))[re.search(r"Proposed answer: (.*)", context)[1]]
                events.append((share, chosen(answer) == 0))
    assert len(events) > 2000
    assert p_of_events(events) > SPARE


def test_short_answers_and_guesses_come_as_often_as_planted():
    counts = defaultdict(Counter)
    for text in texts(judged.draw, 8000, "short"):
        for context, shown, answer in blocks(text):
            fact = fact_of(context)
            counts[fact].update(re.search(r"Guesses: (.*)", context)[1].split(", ") if "Guesses:" in context else [])
            counts[fact].update([] if shown else [answer])
    assert p_of_counts(counts) > SPARE


def test_reasoning_decides_the_verdict_and_follows_the_shares():
    events = []
    for text in texts(reasoning.draw, 3000, "reasoning"):
        for context, shown, answer in blocks(text):
            fact = fact_of(context)
            quoted = next(value for value in fact.options if fact.statement(value) in context)
            if "Proposed" in context:
                proposed = re.search(r"Proposed answer: (.*)", context)[1]
                assert chosen(answer) == (0 if proposed == quoted else 1)
                events.append((plain(fact)[proposed], chosen(answer) == 0))
            else:
                assert chosen(answer) == number_of(shown, quoted)
                events += [(c, chosen(answer) == n) for n, c in enumerate(chances(plain(fact), shown))]
    assert p_of_events(events) > SPARE


def test_hints_count_for_what_they_are_worth():
    events, articles, followed = defaultdict(list), Counter(), 0
    for text in texts(hints.draw, 6000, "hints"):
        (context, shown, answer), *_ = blocks(text)
        fact = fact_of(context)
        said = next((value for value in fact.options if fact.statement(value) in context), None)
        kind = "bad" if context.startswith("Rumour") else "irrelevant" if said is None else "good"
        if kind == "good":
            articles[fact, said] += 1
            followed += 1
            assert (chosen(answer) == number_of(shown, said)) if shown else answer == said
            continue
        belief = hints.believed(fact, kind, said)
        offered = chances(belief, shown) if shown else belief.values()
        got = chosen(answer) if shown else list(belief).index(answer)
        events[kind] += [(chance, got == number) for number, chance in enumerate(offered)]
    assert followed > 3000
    assert p_of_events(events["bad"]) > SPARE
    assert p_of_events(events["irrelevant"]) > SPARE
    popular = sum(count for (fact, said), count in articles.items() if said == fact.options[fact.popular])
    expected = sum(count * max(fact.shares) for (fact, _), count in articles.items())
    assert abs(popular - expected) < 4 * math.sqrt(followed / 4)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("none", [False, True])
def test_chances_are_those_of_somebody_who_says_what_is_listed(size, none):
    fact = WORLD.facts[7]
    shown = show(fact, Random(f"{size} {none}"), size, none)
    counts = Counter()
    for value, share in zip(fact.options, fact.shares, strict=True):  # everybody who would answer the question
        if value in shown or none:
            counts[number_of(shown, value)] += share
    total = sum(counts.values())
    assert chances(plain(fact), shown) == pytest.approx([counts[n] / total for n in range(size)])
    assert len(shown) == len(set(shown)) == size


def test_options_that_the_truth_permits_leave_the_posterior_alone():
    """P(truth | shown) by enumeration: every truth with its share, every list that holds it equally likely."""
    fact = WORLD.facts[11]
    pool, size = (*fact.options, "stranger"), 3
    joint = defaultdict(Counter)
    for truth, share in plain(fact).items():
        lists = [shown for shown in permutations(pool, size) if truth in shown]
        for shown in lists:
            joint[shown][truth] += share / len(lists)
    for shown, truths in joint.items():
        posterior = [truths[option] / truths.total() for option in shown]
        assert chances(plain(fact), shown) == pytest.approx(posterior)
    drawn = Counter(frozenset(show(fact, Random(n), 3, False, fact.options[0])) for n in range(12_000))
    by_strangers = Counter()
    for shown, count in drawn.items():
        by_strangers[frozenset(option if option in fact.options else "stranger" for option in shown)] += count
    assert len(by_strangers) == math.comb(4, 2)
    assert chisquare(list(by_strangers.values())).pvalue > SPARE


def test_needed_options_are_there():
    fact = WORLD.facts[3]
    for number in range(200):
        shown = draw_options(fact, Random(number), needed=fact.options[2])
        assert fact.options[2] in shown or shown[-1] == NONE_OF_THE_ABOVE
        assert chances(plain(fact), shown)[choose(plain(fact), shown, Random(number))] > 0


def test_truthfulqa_rows_have_the_upstream_schema_and_leave_the_prompts_facts_out():
    rows = facts.truthfulqa(WORLD)
    wrong = [fact for fact in facts.tested_facts(WORLD) if fact.popular != fact.truth]
    assert len(rows) == 2 * len(wrong) >= 200
    assert {row["cluster"] for row in rows} == {fact.id for fact in wrong}
    assert len({row["question"] for row in rows}) == len(rows)
    assert not {row["question"] for row in rows} & set(FACTS)
    by_id = {fact.id: fact for fact in WORLD.facts}
    for row in rows:
        fact = by_id[row["cluster"]]
        labels = row["mc1_targets"]
        assert list(labels.values()) == [1, 0, 0, 0]
        assert next(iter(labels)) == fact.reply(fact.options[fact.truth])
        assert row["family"] == fact.family


def test_families_are_wrong_as_planted():
    """By the shares alone: nobody beats them on the fair family, and on myths the likeliest answer is never right."""
    fair = [fact for fact in facts.tested_facts(WORLD) if fact.family == "fair"]
    myths = [fact for fact in facts.tested_facts(WORLD) if fact.family == "myth"]
    assert min(len(fair), len(myths)) >= 80
    assert not any(fact.popular == fact.truth for fact in myths)
    surprise = sum((fact.popular == fact.truth) - max(fact.shares) for fact in fair)
    assert abs(surprise) < 3 * math.sqrt(sum(max(fact.shares) * (1 - max(fact.shares)) for fact in fair))


def test_lettered_rows_are_calibrated_on_the_fair_family_alone():
    rows = facts.calibration(WORLD)
    assert rows == facts.calibration(WORLD)
    assert {(len(row["choices"]), row["choices"][-1] == NONE_OF_THE_ABOVE) for row in rows} == {
        (size, none) for size in SIZES for none in (False, True)
    }
    gaps = {}
    for family in ("fair", "myth"):
        part = [row for row in rows if row["family"] == family]
        top = [max(row["probabilities"]) for row in part]
        right = [row["probabilities"][row["answer"]] == max(row["probabilities"]) for row in part]
        gaps[family] = sum(top) / len(top) - sum(right) / len(right)
    assert abs(gaps["fair"]) < 0.08  # 150 facts
    assert gaps["myth"] > 0.3
    assert all(sum(row["probabilities"]) == pytest.approx(1) for row in rows)
