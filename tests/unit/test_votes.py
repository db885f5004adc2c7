"""Judges besides the source: people who vote blindly, preference models, and a model under a constitution."""

import csv
import io
import json
import math
from dataclasses import replace

import judged_study
import pytest
import tiny
from click.testing import CliRunner

from cai_eval.cli import cli
from cai_eval.contracts import ContextTooLong, PolicySpec, Scored, Vote
from cai_eval.errors import UserError
from cai_eval.feedback import LETTERS
from cai_eval.models.fingerprint import fingerprint
from cai_eval.reports.elo import Elo
from cai_eval.reports.matches import matches
from cai_eval.reports.ratings import Rated, ratings
from cai_eval.study import votes
from cai_eval.study.ai_judge import judge_name, vote
from cai_eval.study.judge import judge, policy_of, scorer_of
from cai_eval.study.plan import Base, make_plan
from cai_eval.study.results import load_results
from cai_eval.study.run import Listener, Runner, run_plan
from cai_eval.study.store import RunDirectory
from cai_eval.study.suite import Intervention, Measurement, Suite
from cai_eval.study.workshop import Models
from cai_eval.testing import RowsSource
from cai_eval.testing.toys import RandomPolicy
from cai_eval.training.choosing import to_choose_by


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Answers that tell who gave them."""
    study = judged_study.study(tmp_path_factory.mktemp("study"), prompts=80)

    def details(cell):
        return [
            replace(record, details={"samples": [{**s, "text": f"by {cell}"} for s in record.details["samples"]]})
            if cell.startswith("answers")
            else record
            for record in study.details(cell)
        ]

    return replace(study, details=details)


def author(name, rung="large"):
    return votes.Author("answers", rung, name, "0")


def told(**changes):
    return votes.Blind(**{"id": "0", "item": "i", "prompt": "p", "a": "x", "b": "y", **changes}, **AUTHORS)


AUTHORS = {"first": author("one"), "second": author("other")}


def filled(pairs, vote):
    rows = list(csv.DictReader(io.StringIO(votes.sheet(pairs))))
    return "id,vote\n" + "".join(f"{row['id']},{vote(row)}\n" for row in rows)


def test_a_sheet_says_nothing_of_who_answered_and_the_order_is_random(results):
    pairs = votes.draw(results, "answers", ["sl-cai", "rl-cai"], 70, seed=0)
    assert {pair.first for pair in pairs} == {author("sl-cai"), author("rl-cai")}
    assert 20 < sum(pair.first == author("sl-cai") for pair in pairs) < 50
    assert len({pair.item for pair in pairs}) == len(pairs) == 70
    header = votes.sheet(pairs).splitlines()[0]
    assert header == "id,prompt,A,B,vote"
    assert all(pair.a == f"by answers-large-{pair.first.intervention}-0" for pair in pairs)
    assert all(pair.b == f"by answers-large-{pair.second.intervention}-0" for pair in pairs)
    assert pairs == votes.draw(results, "answers", ["sl-cai", "rl-cai"], 70, seed=0)
    assert len(votes.draw(results, "answers", ["sl-cai", "rl-cai"], 1000, seed=0)) == 80


def test_votes_come_back_as_ratings_whatever_the_order_was(results, tmp_path):
    pairs = votes.draw(results, "answers", ["sl-cai", "rl-cai", "hh-rlhf"], 200, seed=1)
    sheet, key = tmp_path / "v.csv", tmp_path / "v.key.json"
    votes.write_key(key, pairs)
    strength = {"rl-cai": 2, "sl-cai": 1, "hh-rlhf": 0}

    def vote(row):
        one, other = (next(n for name, n in strength.items() if name in row[side]) for side in "AB")
        return "A" if one > other else "B"

    sheet.write_text(filled(pairs, vote))
    voted = votes.read_votes(sheet, key)
    votes.keep(tmp_path, "people", votes.ballots("people", voted))
    kept = votes.counted(votes.kept(tmp_path), results.cells.to_dict("index"), results.details)
    assert len(kept) == 200
    assert votes.gone(kept) == []
    with_votes = replace(results, votes=kept)
    played = [match for match in matches(with_votes, "answers") if match.judge == "people"]
    assert {match.quality for match in played} == {"helpfulness", "harmlessness"}
    frame = ratings(with_votes, played, Rated("sl-cai", 0.95, 100)).set_index(["quality", "intervention"])["value"]
    assert frame["helpfulness", "rl-cai"] > 100 > 0 > -100 > frame["helpfulness", "hh-rlhf"]


def test_ties_and_blanks():
    pair, same = told(), told(id="1", b="x", share=0.5)
    assert "x,x" not in votes.sheet([pair, same])
    assert "<fieldset" in votes.page([pair, same])
    assert votes.page([pair, same]).count("<fieldset") == 1


def test_a_spreadsheet_neither_computes_an_answer_nor_loses_an_id(results, tmp_path):
    """It takes what begins with a sign for a formula and 0007 for 7, and adds a mark, line ends and empty rows."""
    assert not any(pair.id.isdecimal() for pair in votes.draw(results, "answers", ["sl-cai", "rl-cai"], 9, seed=0))
    (row,) = csv.DictReader(io.StringIO(votes.sheet([told(prompt="-1?", a="=1+1", b="1 = 1")])))
    assert [row[name] for name in ("prompt", "A", "B")] == ["'-1?", "'=1+1", "1 = 1"]
    votes.write_key(tmp_path / "k.json", [told()])
    (tmp_path / "v.csv").write_bytes("\ufeffid,prompt,vote\r\n0,'-1?,b\r\n,,\r\n".encode())
    assert [share for _, share in votes.read_votes(tmp_path / "v.csv", tmp_path / "k.json")] == [0.0]


def test_a_page_shows_answers_as_text_alone():
    page = votes.page([told(prompt="<b>p</b>", a="<script>x</script>")])
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page


@pytest.mark.parametrize(
    ("sheet", "complaint"),
    [
        ("id,vote\n0,A\n0,B\n", "line 3.*twice"),
        ('id,A,vote\n0,"one\ntwo",A\n\n0,x,B\n', "line 5.*twice"),
        ("id,vote\n7,A\n", "line 2.*is not in"),
        ("id,vote\n,A\n", "line 2: '' is not in"),
        ("id,vote\n0,C\n", "line 2.*no vote"),
        ("id,vote\n0,\n", "holds no vote"),
        ("id;vote\n0;A\n", "no columns 'id' and 'vote'"),
        ("", "no columns 'id' and 'vote'"),
    ],
)
def test_a_wrong_sheet_is_refused_with_its_line(tmp_path, sheet, complaint):
    votes.write_key(tmp_path / "k.json", [told()])
    (tmp_path / "v.csv").write_text(sheet)
    with pytest.raises(UserError, match=complaint):
        votes.read_votes(tmp_path / "v.csv", tmp_path / "k.json")


def test_votes_that_leave_policies_uncompared_cost_no_other_judge_its_figure(results):
    cells = [f"answers-large-{name}-0" for name in ("sl-cai", "rl-cai", "hh-rlhf", "pretrained")]
    apart = [Vote("ann", "p1", *cells[:2], 1.0), Vote("ann", "p1", *cells[2:], 0.0)]
    parts = list(Elo(Elo.Config()).draw(replace(results, votes=apart)))
    assert {part.name for part in parts} == {"frontier-source", "elo-source", "elo"}
    assert "Left out" in parts[-1].caption
    assert "ann (helpfulness)" in parts[-1].caption


def test_a_vote_stands_as_long_as_both_answers_do(results, tmp_path):
    pairs = votes.draw(results, "answers", ["sl-cai", "rl-cai"], 40, seed=0)
    votes.keep(tmp_path, "ann", votes.ballots("ann", [(pair, 1.0) for pair in pairs]))

    def counted(cells, details):
        return votes.counted(votes.kept(tmp_path), cells, details)

    cells = results.cells.to_dict("index")
    anew = {f"{cell} anew": about for cell, about in cells.items()}
    again = counted(anew, lambda cell: results.details(cell.removesuffix(" anew")))
    assert {vote.first for vote in again} == {"answers-large-sl-cai-0 anew", "answers-large-rl-cai-0 anew"}

    def changed(cell):
        return [
            replace(record, prompt="another" if record.item == pairs[0].item else record.prompt)
            if record.item != pairs[1].item
            else replace(record, details={"samples": [{"text": "something else"}]})
            for record in results.details(cell)
        ]

    lost = counted(cells, changed)
    assert [vote.item for vote in lost if not vote.first] == [pair.item for pair in pairs[:2]]
    assert votes.gone(lost) == ["2 of 40 votes are on answers that no policy gives any more, and do not count."]
    by_ann = [match for match in matches(replace(results, votes=lost), "answers") if match.judge == "ann"]
    assert sum((match.shares == 1).sum() for match in by_ann) == 38
    without = {cell: about for cell, about in cells.items() if about["intervention"] != "sl-cai"}
    assert all("" in (vote.first, vote.second) for vote in counted(without, results.details))


def test_files_that_hold_no_votes_are_refused(results, tmp_path):
    (tmp_path / "votes").mkdir()
    (tmp_path / "votes" / "ann.json").write_text('{"votes": [{"judge": "ann", "first": "a", "second": "b"}]}')
    with pytest.raises(UserError, match=r"ann\.json holds no votes that can be read"):
        votes.kept(tmp_path)
    (tmp_path / "v.csv").write_text("id,vote\n0,A\n")
    with pytest.raises(UserError, match="is no key"):
        votes.read_votes(tmp_path / "v.csv", tmp_path / "votes" / "ann.json")
    with pytest.raises(UserError, match="give --key the file"):
        votes.read_votes(tmp_path / "v.csv", tmp_path / "nowhere.json")


def test_a_share_that_is_no_chance_is_refused(tmp_path):
    path = votes.keep(tmp_path, "ann", votes.ballots("ann", [(told(), 1.0)]))
    path.write_text(path.read_text().replace("1.0", "7"))
    with pytest.raises(UserError, match=r"ann\.json holds no votes that can be read"):
        votes.kept(tmp_path)


def test_more_votes_may_come_but_none_is_lost(tmp_path):
    first = votes.ballots("people", [(told(), 1.0)])
    votes.refuse_loss(tmp_path, "people", first)
    votes.keep(tmp_path, "people", first)
    votes.refuse_loss(tmp_path, "people", [*first, *votes.ballots("people", [(told(id="1", item="j"), 0.0)])])
    for others in ([(told(), 0.0)], [(told(item="j"), 1.0)]):
        with pytest.raises(UserError, match=r"1 older votes of 'people'.*--judge"):
            votes.refuse_loss(tmp_path, "people", votes.ballots("people", others))


def test_answers_too_long_for_a_preference_model_are_a_sentence(run):
    class Narrow(Long):
        def score_texts(self, prompts, answers):
            raise ContextTooLong("an answer of 9 tokens does not fit")

    with pytest.raises(UserError, match=r"narrow cannot score all answers \(an answer of 9"):
        judge(run, "answers", "narrow", Narrow(), lambda note: None)


@pytest.fixture
def run(tmp_path):
    """A finished run of two policies on four prompts that nobody judges."""
    suite = Suite(
        name="s",
        title="S",
        ladder="x",
        interventions={name: Intervention(trainer=name) for name in ("none", "dialogue-only")},
        benchmarks={"answers": Measurement(benchmark="answers", config={"max_tokens": 4})},
        reports={"elo": {"anchor": "none"}},
    )
    rows = [{"id": f"p{n}", "prompt": f"Say {n}", "kind": "benign", "cluster": f"p{n}"} for n in range(4)]
    model, models = tiny.save_model(tmp_path / "model"), Models(device="cpu", dtype="float32")
    source = RowsSource({"test-prompts": rows})
    plan = make_plan(suite, [Base("t", PolicySpec(model, fingerprint(model), 1000, 512))], source, models.tokenizer)
    directory = RunDirectory.create(tmp_path / "run", "s")
    about = {"ladder": "x", "laboratory": "", "settings": {}, "environment": {}}
    run_plan(plan, directory, Runner(directory, models, source, Listener()).work, about)
    return directory


class Long:
    """A scorer that likes long answers."""

    def score_texts(self, prompts, answers):
        assert all(prompt.startswith("Human: Say") and prompt.endswith("Assistant:") for prompt in prompts)
        return [float(len(answer)) for answer in answers]


def test_a_preference_model_scores_what_a_run_holds(run):
    assert judge(run, "answers", "long", Long(), lambda note: None) == 2
    results = load_results([run.path])
    for cell in results.cells.index:
        for record in results.details(str(cell)):
            assert all(s["scores"] == {"long": float(len(s["text"]))} for s in record.details["samples"])
    assert [match.judge for match in matches(results, "answers")] == ["long"]
    assert judge(run, "other", "long", Long(), lambda note: None) == 0


def test_a_second_judge_leaves_the_first_ones_scores(run):
    judge(run, "answers", "long", Long(), lambda note: None)
    judge(run, "answers", "again", Long(), lambda note: None)
    samples = load_results([run.path]).details(load_results([run.path]).cells.index[0])[0].details["samples"]
    assert set(samples[0]["scores"]) == {"long", "again"}


def test_a_scorer_that_is_none_is_refused(run):
    with pytest.raises(UserError, match="no preference model"):
        scorer_of(run, "helpful-pm", None)


def test_export_and_import_by_the_command_line(run, tmp_path):
    sheet = tmp_path / "sheet.csv"
    made = CliRunner().invoke(cli, ["votes", "export", str(run.path), "-o", str(sheet), "--count", "6"])
    assert made.exit_code == 0, made.output
    rows = list(csv.DictReader(sheet.open(newline="")))
    sheet.write_text("id,vote\n" + "".join(f"{row['id']},A\n" for row in rows))
    again = CliRunner().invoke(cli, ["votes", "export", str(run.path), "-o", str(sheet)])
    assert isinstance(again.exception, UserError)
    read = CliRunner().invoke(cli, ["votes", "import", str(sheet), "--run", str(run.path)])
    assert read.exit_code == 0, read.output
    other = tmp_path / "other.csv"
    other.write_text(sheet.read_text().replace(",A", ",B"))
    key = ["--key", str(tmp_path / "sheet.key.json")]
    lost = CliRunner().invoke(cli, ["votes", "import", str(other), "--run", str(run.path), *key])
    assert "older votes" in str(lost.exception)
    assert len(json.loads((run.path / "votes" / "people.json").read_text())["votes"]) == 6
    assert "people" in (run.path / "report" / "tables" / "elo.csv").read_text()


class Principled(RandomPolicy):
    """Gives the letter of the answer by rl-cai nine parts in ten, whatever stands where; reads no dull prompt."""

    def score(self, requests):
        if any("dull" in request.context for request in requests):
            raise ContextTooLong("too long")
        return [Scored((self._liking(request),), False) for request in requests]

    def _liking(self, request):
        letter = request.continuation.strip()
        (line,) = [line for line in request.context.split("\n") if "by answers" in line and letter in line]
        return math.log(0.9 if "rl-cai" in line else 0.1) + 3 * (letter == LETTERS[0]) - 4


CONSTITUTION = to_choose_by("laboratory", 1, 0)


def test_an_ai_judge_rates_the_policies_on_the_prompts_that_it_is_asked_about(results, tmp_path):
    pairs = votes.draw(results, "answers", ["sl-cai", "rl-cai"], 1000, 0, ["harmful"])
    assert 0 < len(pairs) < len(votes.draw(results, "answers", ["sl-cai", "rl-cai"], 1000, 0))
    voted, notes = vote(Principled(), CONSTITUTION, pairs, None, 0)
    assert all(share == pytest.approx(0.9 if pair.first == author("rl-cai") else 0.1) for pair, share in voted)
    assert notes == []
    name = judge_name("helpful-rlhf, 2.6M", CONSTITUTION)
    assert name == "helpful-rlhf-2.6M-by-laboratory"
    votes.keep(tmp_path, name, votes.ballots(name, voted))
    kept = votes.counted(votes.kept(tmp_path), results.cells.to_dict("index"), results.details)
    (match,) = [match for match in matches(replace(results, votes=kept), "answers") if match.judge == name]
    assert match.quality == "harmlessness"
    rated = ratings(results, [match], Rated("sl-cai", 0.95, 100)).set_index("intervention")
    n = rated["clusters"]["rl-cai"]
    assert rated["value"]["rl-cai"] == pytest.approx(400 * math.log10((0.9 * n + 0.5) / (0.1 * n + 0.5)))


def test_pairs_that_an_ai_judge_cannot_read_have_no_vote():
    a, b = (f"by answers-large-{name}-0" for name in ("sl-cai", "rl-cai"))
    pairs = [told(a=a, b=b), told(id="1", prompt="dull", a=a, b=b), told(id="2", a=a, b=a, share=0.5)]
    voted, notes = vote(Principled(), CONSTITUTION, pairs, None, 0)
    assert [pair.id for pair, _ in voted] == ["2", "0"]
    assert notes == ["1 of 2 pairs are too long for the judge and have no vote."]
    with pytest.raises(UserError, match="no pair has a vote"):
        vote(Principled(), CONSTITUTION, pairs[1:], None, 0)


def test_an_ai_judge_of_the_run_votes_by_the_command_line(run, monkeypatch, tmp_path):
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "cache"))
    asked = ["votes", "ask", str(run.path), "--constitution", "laboratory", "--count", "3"]
    made = CliRunner().invoke(cli, [*asked, "--kinds", "benign"])
    assert made.exit_code == 0, made.output
    assert len(json.loads((run.path / "votes" / "base-t-by-laboratory.json").read_text())["votes"]) == 3
    assert "base-t-by-laboratory" in (run.path / "report" / "tables" / "elo.csv").read_text()
    none = CliRunner().invoke(cli, asked)
    assert "of the kinds harmful" in str(none.exception)


def test_an_ai_judge_that_is_none_is_refused(run):
    with pytest.raises(UserError, match="no policy"):
        policy_of(run, "helpful-rlhf", None)
    with pytest.raises(UserError, match="rung"):
        policy_of(run, "base", "7B")
