"""The interventions that train nothing: what they put before a context, and in which format."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from cai_eval.contracts import Item, PolicySpec, Prefix
from cai_eval.dialogue import exchange, parse_prompt
from cai_eval.errors import UserError
from cai_eval.prefixes import encode, make_prefix
from cai_eval.testing import byte_tokenizer, check_trainer
from cai_eval.trainers.dialogue_only import DialogueOnly
from cai_eval.trainers.hhh_prompt import HHHPrompt
from cai_eval.trainers.neutral_prefix import NeutralPrefix
from cai_eval.trainers.none import Nothing

BASE = PolicySpec("m", "f", 1, 8192)
CONTEXTS = (
    exchange("Why is the sky blue?", "dialogue"),
    "Once upon a time there was a fox",
    "\tindented",
    "3 + 4 =",
    "“Quoted” text",
)


@dataclass(frozen=True)
class PlainSource:
    """A source with texts of its own, or none."""

    texts: dict[str, str]
    name: str = "published"

    def text(self, name: str) -> str | None:
        return self.texts.get(name)

    def ideal(self, benchmark: str, item: Item, policy: PolicySpec) -> float | None:
        """None: nobody knows."""
        return None

    def judge(self, prompt: str, answer: str) -> None:
        """None: nobody judges."""


class Bench:
    """The part of a workshop that an instant trainer may use."""

    def __init__(self, tokenizer: Any, **texts: str) -> None:
        self._tokenizer = tokenizer
        self.source = PlainSource({name.replace("_", "-"): text for name, text in texts.items()})

    def tokenizer(self, spec: PolicySpec) -> Any:
        return self._tokenizer


def gpt_neox(data_dir: Path) -> Any:
    return PreTrainedTokenizerFast(tokenizer_file=str(data_dir / "tokenizers/20B_tokenizer.json"))


def llama(data_dir: Path) -> Any:
    return AutoTokenizer.from_pretrained(data_dir / "stories260K_hf")


def qwen_like(data_dir: Path | None = None) -> Any:
    """A small byte-level BPE with the splitter of Qwen and Llama 3: punctuation takes the line ends after it."""
    tokenizer = Tokenizer(models.BPE())
    splitter = Regex(r"\p{L}+| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(splitter, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    text = "Human: Yes.\n\nAssistant: No.\n\n-----\n\nHuman: one two three.\n\n"
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([text] * 50, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


@pytest.fixture(params=[gpt_neox, llama, qwen_like], ids=lambda make: make.__name__, scope="module")
def tokenizer(request: pytest.FixtureRequest) -> Any:
    make: Callable[[Path | None], Any] = request.param
    return make(None if make is qwen_like else request.getfixturevalue("data_dir"))


def prompted(tokenizer: Any, **config: Any) -> PolicySpec:
    spec = HHHPrompt(HHHPrompt.Config(**config)).run({"start": BASE}, Bench(tokenizer))
    assert isinstance(spec, PolicySpec)
    return spec


def neutral(tokenizer: Any, match: PolicySpec, **texts: str) -> PolicySpec:
    spec = NeutralPrefix(NeutralPrefix.Config()).run({"start": BASE, "match": match}, Bench(tokenizer, **texts))
    assert isinstance(spec, PolicySpec)
    return spec


def assert_boundary(tokenizer: Any, prefix: Prefix) -> None:
    for context in CONTEXTS:
        joint = encode(tokenizer, prefix.text + prefix.separator + context)
        assert joint[: len(prefix.ids)] == prefix.ids
        assert tokenizer.decode(joint[len(prefix.ids) :]) == prefix.separator + context


def test_the_prompt_ends_where_the_tokenizer_has_a_boundary(tokenizer: Any) -> None:
    assert_boundary(tokenizer, prompted(tokenizer, conversations=1).prefix)
    assert_boundary(tokenizer, prompted(tokenizer).prefix)


def test_contexts_encoded_apart_follow_the_prefix(data_dir: Path) -> None:
    """Byte-level tokenizers only: one that marks the start of a text, as Llama 2's, must encode jointly."""
    tokenizer = gpt_neox(data_dir)
    prefix = prompted(tokenizer).prefix
    for context in CONTEXTS:
        rest = prefix.separator + context
        assert encode(tokenizer, prefix.text + rest) == prefix.ids + encode(tokenizer, rest)


def test_a_separator_that_the_tokenizer_joins_moves_into_the_prefix(data_dir: Path) -> None:
    joined = make_prefix(qwen_like(), "Yes.\n\n-----", "")
    assert (joined.text, joined.separator) == ("Yes.\n\n-----\n\n", "")
    apart = make_prefix(gpt_neox(data_dir), "Yes.\n\n-----", "")
    assert (apart.text, apart.separator) == ("Yes.\n\n-----", "\n\n")


def test_a_tokenizer_without_a_boundary_is_a_user_error() -> None:
    class Parity:
        """Its first id depends on the length of the whole text."""

        def encode(self, text: str, verbose: bool) -> list[int]:
            return [len(text), 0]

    with pytest.raises(UserError, match="no token ends with 'abc'"):
        make_prefix(Parity(), "abc", "")


def test_start_of_text_comes_first_where_the_tokenizer_adds_it(data_dir: Path) -> None:
    tokenizer = llama(data_dir)
    ids = prompted(tokenizer).prefix.ids
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.bos_token_id) == 1


def test_neutral_text_has_exactly_as_many_tokens_as_the_prompt(tokenizer: Any) -> None:
    for config in ({"conversations": 1}, {"conversations": 5}, {}):
        match = prompted(tokenizer, **config)
        spec = neutral(tokenizer, match)
        assert len(spec.prefix.ids) == len(match.prefix.ids)
        assert spec.format == "plain"
        assert f"{len(match.prefix.ids):,} tokens" in spec.prefix.label
        assert_boundary(tokenizer, spec.prefix)


def test_a_short_neutral_text_is_taken_round_and_round(data_dir: Path) -> None:
    tokenizer = gpt_neox(data_dir)
    match = prompted(tokenizer, conversations=1)
    prefix = neutral(tokenizer, match, neutral_prefix="The river is wide. Its banks are low and grey.").prefix
    assert len(prefix.ids) == len(match.prefix.ids)
    assert prefix.text.count("The river is wide.") > 1


def test_neutral_text_needs_something_to_match(data_dir: Path) -> None:
    with pytest.raises(UserError, match="match"):
        neutral(gpt_neox(data_dir), BASE)


def test_conversations_are_nested_and_labelled() -> None:
    tokenizer = qwen_like()
    trainer = HHHPrompt(HHHPrompt.Config())
    specs = [prompted(tokenizer, **config) for config in trainer.alternatives()]
    assert [s.prefix.label for s in specs] == [f"{k} of 14 conversations" for k in range(14, 0, -1)]
    for more, fewer in pairwise(specs):
        assert more.prefix.text.startswith(fewer.prefix.text)
        assert len(fewer.prefix.ids) < len(more.prefix.ids)
    assert {s.format for s in specs} == {"dialogue"}


def test_a_fixed_number_has_no_alternative() -> None:
    trainer = HHHPrompt(HHHPrompt.Config(conversations=3))
    assert [dict(c) for c in trainer.alternatives()] == [{"prompt": "", "conversations": 3}]


@pytest.mark.parametrize("config", [{"conversations": 0}, {"conversations": "some"}, {"prompts": "x"}])
def test_nonsense_configs_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HHHPrompt.Config(**config)


TWO = "Mine.\n\nHuman: A\n\nAssistant: B\n\n-----\n\nHuman: C\n\nAssistant: D\n\n-----\n"


def test_a_users_own_file(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text(TWO, "utf-8")
    trainer = HHHPrompt(HHHPrompt.Config(prompt=str(path)))
    assert [c["conversations"] for c in trainer.alternatives()] == ["auto", 1]
    prefix = prompted(qwen_like(), prompt=str(path), conversations=1).prefix
    assert prefix.label == "1 of 2 conversations"
    assert (prefix.text + prefix.separator) == "Mine.\n\nHuman: A\n\nAssistant: B\n\n-----\n\n"


def test_a_users_mistakes_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.txt"
    broken.write_text("Mine.\n\nHuman: A\n\nHuman: B\n", "utf-8")
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"Human: \xff\xfe")
    cases = {broken: "line 5", binary: "UTF-8", tmp_path / "absent.txt": "cannot be read", tmp_path: "cannot be read"}
    for path, message in cases.items():
        with pytest.raises(UserError, match=message):
            HHHPrompt(HHHPrompt.Config(prompt=str(path))).alternatives()


def test_a_sources_own_prompt_stands_in_for_the_default_only(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text(TWO.replace("Mine.", "File."), "utf-8")
    bench = Bench(qwen_like(), hhh_prompt=TWO)
    given = HHHPrompt(HHHPrompt.Config(conversations=9)).run({"start": BASE}, bench)
    own = HHHPrompt(HHHPrompt.Config(prompt=str(path))).run({"start": BASE}, bench)
    assert given.prefix.text.startswith("Mine.")
    assert given.prefix.label == "2 of 2 conversations"
    assert own.prefix.text.startswith("File.")


def test_the_controls_change_one_thing() -> None:
    bench = Bench(qwen_like())
    assert Nothing(Nothing.Config()).run({"start": BASE}, bench) == BASE
    assert DialogueOnly(DialogueOnly.Config()).run({"start": BASE}, bench) == replace(BASE, format="dialogue")


def test_the_prompt_follows_its_own_format() -> None:
    text = prompted(qwen_like()).prefix.text
    assert parse_prompt(text).render() == text.rstrip()


@pytest.mark.parametrize("name", ["none", "dialogue-only", "hhh-prompt"])
def test_they_keep_the_promises_of_a_trainer(name: str) -> None:
    check_trainer(name)


def test_the_neutral_prefix_keeps_the_promises_of_a_trainer() -> None:
    check_trainer("neutral-prefix", inputs={"match": prompted(byte_tokenizer(), conversations=1)})
