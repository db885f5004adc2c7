"""`cai-eval list KIND NAME`: what a user may set, without reading code."""

import pytest
import yaml
from click.testing import CliRunner

from cai_eval import registry
from cai_eval.cli.list import FILES, command
from cai_eval.errors import UserError


def listed(*arguments: str) -> str:
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("group", registry.GROUPS)
def test_each_plugin_tells_its_keys_and_its_inputs(group: str) -> None:
    for name in registry.names(group):
        plugin = registry.load(group, name)
        told = listed(group, name)
        assert told.startswith(f"{group.removesuffix('s')} {name}: {plugin.title}\n")
        inputs, _, config = told.partition("\nconfig\n")
        for key in plugin.Config.model_fields:
            assert f"\n  {key} " in f"\n{config}"
        for slot in getattr(plugin, "inputs", {}):
            assert f"\n  {slot} " in inputs


def test_what_must_be_set_and_what_is_usual() -> None:
    assert " text       must be set  the prompt\n" in listed("trainers", "prompt")
    told = listed("trainers", "ppo")
    assert " reward     must be named  scorer\n" in told
    assert " held_out   nothing        scorer\n" in told
    assert ' prompts       {"helpful-prompts": 1.0}  sets of prompts and the share of each\n' in told


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_shown_as_it_is(kind: str) -> None:
    for name, path in FILES[kind]().items():
        assert yaml.safe_load(listed(kind, name)) == yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("suites", "hhhh"), "unknown suite 'hhhh': did you mean 'hhh'"),
        (("trainers", "fine-tuned"), "unknown trainer 'fine-tuned': did you mean 'fine-tune'"),
        (("figures", "7R"), "leave the name out"),
        (("trainers", "ppo", "--json"), "leave the name out"),
    ],
)
def test_nonsense_is_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        listed(*arguments)
