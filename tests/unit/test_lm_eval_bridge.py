from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from toy_policy import ToyPolicy

from cai_eval.contracts import ContextTooLong, Request, Sample, Sampling
from cai_eval.errors import UserError
from cai_eval.inference.lm_eval_bridge import PolicyLM, sampling


class Talker(ToyPolicy):
    """Says its prompt, the sample's number and how it was asked to sample."""

    def generate(self, prompts: Sequence[str], sampling: Sampling, keys: Sequence[str]) -> list[list[Sample]]:
        return [
            [Sample(f"{prompt}{n}/{sampling.temperature}", (), (), "stop") for n in range(sampling.samples)]
            for prompt in prompts
        ]


def instance(kind: str, *args: object) -> SimpleNamespace:
    return SimpleNamespace(request_type=kind, args=args)


def test_contexts_and_continuations_are_passed_as_they_are():
    policy = ToyPolicy(lambda request: [-1.0, -2.0])
    answers = PolicyLM(policy).loglikelihood([instance("loglikelihood", "Q: why? ", "A: so")])
    assert answers == [(-3.0, False)]
    assert policy.requests == [Request("Q: why? ", "A: so")]


def test_a_whole_text_follows_the_prefix():
    policy = ToyPolicy(lambda request: [-1.0, -2.0])
    assert PolicyLM(policy).loglikelihood_rolling([instance("loglikelihood_rolling", "all of it")]) == [-3.0]
    assert policy.requests == [Request("", "all of it")]


def test_repeated_generations_are_samples_of_one_prompt():
    hot, cold = {"do_sample": True, "temperature": 0.7}, {"until": ["\n"]}
    asked = [instance("generate_until", *args) for args in (("a", hot), ("b", cold), ("a", hot), ("c", hot))]
    assert PolicyLM(Talker()).generate_until(asked) == ["a0/0.7", "b0/0.0", "a1/0.7", "c0/0.7"]


def test_mixed_requests_come_back_in_order():
    asked = [
        instance("generate_until", "a", {}),
        instance("loglikelihood", "a", " b"),
        instance("generate_until", "c", {}),
    ]
    assert PolicyLM(Talker()).respond(asked) == ["a0/0.0", (-1.0, False), "c0/0.0"]


@pytest.mark.parametrize("error", [UserError("mend it."), ContextTooLong("a request of 9 tokens")])
def test_the_command_ends_with_a_sentence(error, monkeypatch, capsys):
    from cai_eval.study.lm_eval_model import main

    def refuse():
        raise error

    monkeypatch.setattr("lm_eval.__main__.cli_evaluate", refuse)
    with pytest.raises(SystemExit, match="2"):
        main()
    assert capsys.readouterr().err.startswith(f"cai-eval: {error}")


def test_settings_are_translated_or_refused():
    given = {"until": ["\n\n", ""], "max_gen_toks": 9, "do_sample": True, "temperature": 0.6, "top_p": 0.9}
    assert sampling(given) == Sampling(9, 1, 0.6, 0.9, ("\n\n",))
    assert sampling({"until": "Q:"}) == Sampling(256, stop=("Q:",))
    assert sampling({"do_sample": False, "temperature": 0.8}).temperature == 0
    with pytest.raises(UserError, match="num_beams"):
        sampling({"num_beams": 4})
