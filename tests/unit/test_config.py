"""Validation names the key and the line; nothing wrong gets through."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cai_eval.config import load_yaml, parse_yaml, validate
from cai_eval.errors import UserError


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    trainer: str
    seeds: int = 1

    @field_validator("seeds")
    @classmethod
    def _positive(cls, value: int) -> int:
        if value < 1:
            raise ValueError("seeds must be at least 1")
        return value


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    parts: dict[str, Part] = {}
    options: list[Part] | None = None


@dataclass(frozen=True)
class Plain:
    size: int
    inner: tuple[Part, ...] = ()

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


def problem(model: type, text: str, folder: Path) -> str:
    path = folder / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_yaml(path, model)
    return str(caught.value).replace(str(path), "suite.yaml")


def test_a_right_file_becomes_the_model(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text("name: a\nparts:\n  x: {trainer: none, seeds: 2}\n")
    assert load_yaml(path, Whole) == Whole(name="a", parts={"x": Part(trainer="none", seeds=2)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\nnmae: b\n", "suite.yaml:2: unknown key 'nmae' (did you mean 'name'?)."),
        ("name: a\nparts:\n  x:\n    trainer: t\n    seedz: 2\n", "suite.yaml:5: unknown key 'parts.x.seedz' (did you"),
        ("name: a\noptions:\n  - trainer: t\n  - seeds: 2\n", "suite.yaml:4: the key 'options.1.trainer' is missing."),
        ("name: a\nparts:\n\n  x: {trainer: t, seeds: many}\n", "suite.yaml:4: 'parts.x.seeds' should be a valid"),
        ("name: a\nparts:\n  x: {trainer: t,\n      seeds: 0}\n", "suite.yaml:4: 'parts.x.seeds' seeds must be at"),
        ("parts: {}\n", "suite.yaml:1: the key 'name' is missing."),
        ("name: a\nname: b\n", "suite.yaml:2: 'name' stands on line 1 already."),
        ("name: a\n  parts: [\n", "suite.yaml:2: not valid YAML"),
        ("name: a\nparts: {x: {trainer: !!python/name:os.system }}\n", "suite.yaml:2: not valid YAML"),
        ("parts: {}\nname: {{ name }}\n", "suite.yaml:2: not valid YAML: found unhashable key."),
        ("- a\n- b\n", "suite.yaml:1: the file should hold keys and values"),
        ("", "suite.yaml:1: the file should hold keys and values"),
        ("name: \"a\x00\"\n", "suite.yaml: not valid YAML"),
    ],
)  # fmt: skip
def test_a_wrong_file_names_the_line(text, expected, tmp_path):
    assert problem(Whole, text, tmp_path).startswith(expected)


def test_all_problems_are_named_at_once(tmp_path):
    message = problem(Whole, "nane: a\nextra: 1\n", tmp_path)
    assert "suite.yaml:1: unknown key 'nane' (did you mean 'name'?)" in message
    assert "suite.yaml:2: unknown key 'extra' (known: name, parts, options)" in message
    assert "the key 'name' is missing" in message


def test_dataclasses_are_checked_as_models_are(tmp_path):
    message = problem(Plain, "sise: 1\nsize: 2\ninner:\n  - {trainer: t, seed: 1}\n", tmp_path)
    assert "suite.yaml:1: unknown key 'sise' (did you mean 'size'?)" in message
    assert "suite.yaml:4: unknown key 'inner.0.seed' (did you mean 'seeds'?)" in message


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml cannot be read: No such file"):
        load_yaml(tmp_path / "none.yaml", Whole)
    (tmp_path / "latin.yaml").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(UserError, match="it is not UTF-8 text"):
        load_yaml(tmp_path / "latin.yaml", Whole)


@pytest.mark.parametrize(
    ("model", "value", "expected"),
    [
        (Annotated[str, Field(min_length=1)], "", "should have at least 1 character, not ''."),
        (Annotated[dict[str, int], Field(min_length=1)], {}, "should have at least 1 item, not {}."),
        (Annotated[list[int], Field(max_length=1)], [1, 2], "should have at most 1 item, not [1, 2]."),
    ],
)
def test_a_problem_is_said_of_the_key_alone(model, value, expected):
    with pytest.raises(UserError) as raised:
        validate(model, value, lambda location: "here")
    assert str(raised.value) == f"here: {expected}"


def test_mappings_are_named_by_the_caller():
    with pytest.raises(UserError, match=r"^trainer 'x': unknown key 'sedes' \(did you mean 'seeds'\?\)\.$"):
        validate(Part, {"trainer": "t", "sedes": 1}, lambda location: "trainer 'x'")


def test_the_line_of_anything_in_a_file_can_be_asked_for(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text("name: a\nparts:\n  x:\n    trainer: t\n")
    data, where = parse_yaml(path)
    assert data == {"name": "a", "parts": {"x": {"trainer": "t"}}}
    assert where(("parts", "x", "trainer")) == f"{path}:4"
    assert where(("parts", "x", "config", "size")) == f"{path}:3"
    assert where(()) == f"{path}:1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", "parts", "options", "more", ""]), JSON, max_size=4))
def test_whatever_the_file_says_it_is_taken_or_refused_in_one_sentence(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "suite.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    try:
        loaded = load_yaml(path, Whole)
    except UserError as error:
        loaded, message = None, str(error)
    assert loaded.name == data["name"] if loaded else str(path) in message
