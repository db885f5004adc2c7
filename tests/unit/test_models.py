"""Sizes from configurations, fingerprints from contents, and one sentence for whatever cannot be loaded."""

import json
import os
import shutil
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from huggingface_hub import errors
from safetensors.torch import load_file, save_file
from tiny import save_model
from transformers import (
    BertConfig,
    BertModel,
    BloomConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    OPTConfig,
    Qwen2Config,
)

from cai_eval.errors import UserError
from cai_eval.models import files
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.ladder import Ladder, Rung, from_models, ladder_names, load_ladder
from cai_eval.models.loading import (
    choose_dtype,
    context_length,
    default_device,
    load_config,
    load_model,
    load_tokenizer,
)
from cai_eval.models.parameters import non_embedding

PYTHIA = {  # layers, width, heads, vocabulary (arXiv 2304.01373, table 1, and the published configurations)
    "70M": (6, 512, 8, 50304),
    "160M": (12, 768, 12, 50304),
    "410M": (24, 1024, 16, 50304),
    "1B": (16, 2048, 8, 50304),
    "1.4B": (24, 2048, 16, 50304),
    "2.8B": (32, 2560, 32, 50304),
    "6.9B": (32, 4096, 32, 50432),
    "12B": (36, 5120, 40, 50688),
}
PUBLISHED = {"70M": 18.9e6, "160M": 85.1e6, "410M": 302e6, "1B": 806e6}
PUBLISHED |= {"1.4B": 1.21e9, "2.8B": 2.52e9, "6.9B": 6.44e9, "12B": 11.3e9}


def pythia(label: str) -> GPTNeoXConfig:
    layers, width, heads, vocabulary = PYTHIA[label]
    return GPTNeoXConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        vocab_size=vocabulary,
        max_position_embeddings=2048,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return Path(save_model(tmp_path_factory.mktemp("models") / "small", context=64))


@pytest.fixture
def model(saved, tmp_path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "copy"))


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "cache"))


# Sizes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", PYTHIA)
def test_pythia_has_its_published_size(label):
    assert non_embedding(pythia(label)) == pytest.approx(PUBLISHED[label], rel=4e-3)


def test_the_pythia_ladder_says_what_the_configurations_say():
    for rung in load_ladder("pythia").rungs:
        config = pythia(rung.label)
        assert (rung.parameters, rung.context) == (non_embedding(config), context_length(config))


@pytest.mark.parametrize(
    ("config", "embeddings"),
    [
        (GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=101, n_positions=50), (101 + 50) * 32),
        (OPTConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, ffn_dim=64, vocab_size=101,
                   word_embed_proj_dim=32, max_position_embeddings=50), (101 + 52) * 32),
        (Qwen2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
                     intermediate_size=64, vocab_size=101, tie_word_embeddings=True), 101 * 32),
        (LlamaConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                     vocab_size=101, tie_word_embeddings=False), 2 * 101 * 32),
    ],
    ids=lambda value: getattr(value, "model_type", ""),
)  # fmt: skip
def test_embeddings_are_left_out_once(config, embeddings):
    from transformers import AutoModelForCausalLM

    whole = sum(p.numel() for p in AutoModelForCausalLM.from_config(config).parameters())
    assert non_embedding(config) == whole - embeddings


def test_what_is_no_causal_model_has_no_size():
    from transformers import T5Config

    with pytest.raises(UserError, match="'t5' model is not a causal language model"):
        non_embedding(T5Config())


# Fingerprints ----------------------------------------------------------------------------------------


def test_the_path_does_not_matter(saved, model):
    assert fingerprint(str(model)) == fingerprint(str(saved))
    assert len(fingerprint(str(saved))) == 64


def test_shards_agree_with_a_single_file(saved, model):
    tensors = load_file(model / "model.safetensors")
    names = sorted(tensors)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for shard, held in shards.items():
        save_file({name: tensors[name] for name in held}, model / shard, metadata={"format": "pt"})
    (model / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {name: shard for shard, held in shards.items() for name in held}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert fingerprint(str(model)) == fingerprint(str(saved))
    assert load_model(str(model)).num_parameters() == load_model(str(saved)).num_parameters()


@pytest.fixture(params=["toy", "real"])
def original(request):
    """Where a model lies: a toy of ours, and one that others published."""
    if request.param == "toy":
        return request.getfixturevalue("saved")
    return request.getfixturevalue("data_dir") / "stories260K_hf"


def test_a_model_that_was_loaded_and_saved_again_agrees(original, tmp_path):
    load_model(str(original)).save_pretrained(tmp_path)
    load_tokenizer(str(original)).save_pretrained(tmp_path)
    assert fingerprint(str(tmp_path)) == fingerprint(str(original))


def change_weight(model: Path) -> None:
    tensors = load_file(model / "model.safetensors")
    tensors["model.norm.weight"][0] += 1e-3
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})


def change_json(name: str, key: str, value: object) -> object:
    def change(model: Path) -> None:
        content = json.loads((model / name).read_text())
        (model / name).write_text(json.dumps({**content, key: value}))

    return change


@pytest.mark.parametrize(
    "change",
    [
        change_weight,
        change_json("config.json", "rms_norm_eps", 1e-3),
        change_json("tokenizer_config.json", "add_bos_token", False),
        change_json("tokenizer.json", "post_processor", None),
        change_json("generation_config.json", "eos_token_id", 7),
    ],
    ids=["weights", "config", "tokenizer config", "tokenizer", "generation config"],
)
def test_whatever_can_change_an_answer_changes_it(saved, model, change):
    change(model)
    assert fingerprint(str(model)) != fingerprint(str(saved))


def test_where_files_came_from_does_not_matter(saved, model):
    change_json("config.json", "transformers_version", "4.0.0")(model)
    change_json("config.json", "_name_or_path", "elsewhere")(model)
    assert fingerprint(str(model)) == fingerprint(str(saved))


def age(model: Path) -> None:
    for path in model.iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))


def notes(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "fingerprints").glob("*"))


def test_the_hash_is_remembered_for_files_that_did_not_change(model, tmp_path, monkeypatch):
    age(model)
    first = fingerprint(str(model))
    assert [note.read_text() for note in notes(tmp_path)] == [first]
    monkeypatch.setattr("cai_eval.models.fingerprint._contents", lambda files: pytest.fail("hashed again"))
    assert fingerprint(str(model)) == first


def test_a_change_of_contents_is_seen_even_at_the_same_size_and_time(model):
    age(model)
    before = fingerprint(str(model))
    change_weight(model)
    age(model)
    assert fingerprint(str(model)) != before


def test_files_written_a_moment_ago_are_not_remembered(model, tmp_path):
    (model / "config.json").touch()
    fingerprint(str(model))
    assert notes(tmp_path) == []


def test_a_corrupt_or_unwritable_cache_costs_nothing_but_time(model, tmp_path, monkeypatch):
    age(model)
    first = fingerprint(str(model))
    for note in notes(tmp_path):
        note.write_bytes(b"\xff nonsense")
    assert fingerprint(str(model)) == first
    assert [note.read_text() for note in notes(tmp_path)] == [first]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "file" / "cache"))
    assert fingerprint(str(model)) == first


def test_a_vocabulary_beside_tokenizer_json_is_not_read_and_does_not_count(saved, model):
    (model / "vocab.json").write_text("{}")
    assert fingerprint(str(model)) == fingerprint(str(saved))
    (model / "tokenizer.json").unlink()
    without = fingerprint(str(model))
    (model / "vocab.json").write_text('{"a": 0}')
    assert fingerprint(str(model)) != without


# Hub ids ---------------------------------------------------------------------------------------------


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """Puts copies of models into a cache as the hub library keeps it: (hub id, directory, files left out)."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def add(name: str, model: Path, *without: str) -> Path:
        folder = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        revision = "0123456789abcdef0123456789abcdef01234567"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text(revision)
        return Path(shutil.copytree(model, folder / "snapshots" / revision, ignore=lambda *_: without))

    return add


def test_a_hub_id_in_the_cache_is_the_model_itself(saved, hub_cache):
    snapshot = hub_cache("someone/small", saved)
    assert fingerprint("someone/small") == fingerprint(str(saved))
    assert load_model("someone/small").num_parameters() == load_model(str(saved)).num_parameters()
    assert load_tokenizer("someone/small").get_vocab() == load_tokenizer(str(saved)).get_vocab()
    (rung,) = from_models(["someone/small"]).rungs
    assert (rung.model, rung.label, rung.context) == ("someone/small", "small", 64)
    assert Path(load_tokenizer("someone/small").name_or_path) == snapshot


def test_a_hub_id_of_which_only_the_configuration_was_fetched(saved, hub_cache):
    hub_cache("someone/half", saved, "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    assert load_config("someone/half").vocab_size == 400
    with pytest.raises(UserError, match="'someone/half' has no weights here"):
        load_model("someone/half")
    with pytest.raises(UserError, match="'someone/half' has no tokenizer"):
        load_tokenizer("someone/half")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (errors.RepositoryNotFoundError, "the hub has no model 'someone/gone'"),
        (errors.GatedRepoError, "is gated: accept its licence"),
        (errors.RemoteEntryNotFoundError, r"has no config\.json"),
        (errors.HfHubHTTPError, "cannot be fetched"),
    ],
)
def test_what_the_hub_refuses_is_said_in_a_sentence(error, sentence, monkeypatch):
    def refuse(*arguments: object, **options: object) -> str:
        raise error("no", response=MagicMock())

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    files._fetch.cache_clear()
    with pytest.raises(UserError, match=sentence):
        load_config("someone/gone")
    files._fetch.cache_clear()


# Loading ---------------------------------------------------------------------------------------------


def test_a_model_loads_quietly_and_ready_to_evaluate(saved, capfd):
    module = load_model(str(saved), device="cpu")
    tokenizer = load_tokenizer(str(saved))
    assert not module.training
    assert module.dtype == torch.float32
    assert tokenizer.decode(tokenizer.encode("Zürich?"), skip_special_tokens=True) == "Zürich?"
    assert load_model(str(saved), dtype="bfloat16", device="cpu").dtype == torch.bfloat16
    assert capfd.readouterr() == ("", "")


def test_the_dtype_suits_the_device():
    assert choose_dtype(None, torch.device("cpu")) == torch.float32
    assert choose_dtype(None, torch.device("mps")) == torch.float32
    assert choose_dtype("float16", torch.device("cpu")) == torch.float16


def test_a_default_device_holds_where_none_is_named(saved):
    with default_device("meta"):
        assert load_model(str(saved)).device.type == "meta"
        assert load_model(str(saved), device="cpu").device.type == "cpu"
    assert load_model(str(saved)).device.type != "meta"


def test_contexts_are_found_under_every_name(data_dir):
    assert context_length(GPT2Config(n_positions=77)) == 77
    assert context_length(OPTConfig(max_position_embeddings=88)) == 88
    assert context_length(load_config(str(data_dir / "stories260K_hf"))) == 512
    with pytest.raises(UserError, match="states no context length"):
        context_length(BloomConfig())


@pytest.mark.parametrize("load", [load_model, load_tokenizer, load_config, fingerprint])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("./nowhere", "model path './nowhere' is not a directory"),
        ("owner/unheard-of", "neither a directory here nor in the local Hugging Face cache"),
        ("not a name", "neither a directory here nor a hub id"),
        ("{empty}", "has no config.json"),
        ("{file}", "is not a directory"),
    ],
)
def test_a_model_that_is_not_there(load, name, sentence, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=sentence):
        load(name.format(empty=tmp_path / "empty", file=tmp_path / "file"))


@pytest.mark.parametrize("use", [load_model, fingerprint])
@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_truncated_weights(use, size, model):
    content = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(content[:size])
    with pytest.raises(UserError, match=r"model\.safetensors are truncated or damaged"):
        use(str(model))


def test_weights_that_are_not_there(model):
    (model / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"has no weights here \(model\.safetensors or pytorch_model\.bin\)"):
        load_model(str(model))
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"lacks its weights one\.safetensors, two\.safetensors"):
        load_model(str(model))


def test_weights_of_another_architecture_are_not_filled_up_at_random(model):
    tensors = load_file(model / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"no weights that fit 'model\.layers\.1\.mlp\.up_proj\.weight' \(1 in all\)"):
        load_model(str(model))


def test_shapes_that_do_not_fit_the_configuration(model):
    change_json("config.json", "intermediate_size", 48)(model)
    with pytest.raises(UserError, match=r"no weights that fit 'model\.layers\.0\.mlp\.down_proj\.weight' \(6 in all\)"):
        load_model(str(model))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "generation_config.json"])
def test_damaged_json(name, model):
    content = (model / name).read_text()
    (model / name).write_text(content[: len(content) // 2])
    with pytest.raises(UserError, match=f"{name} is damaged"):
        fingerprint(str(model))


def test_a_damaged_tokenizer_and_none(model):
    (model / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"the tokenizer of .* cannot be loaded"):
        load_tokenizer(str(model))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (model / name).unlink()
    with pytest.raises(UserError, match="has no tokenizer"):
        load_tokenizer(str(model))


def test_unknown_devices_dtypes_and_architectures(model):
    with pytest.raises(UserError, match="no device 'warp'"):
        load_model(str(model), device="warp")
    with pytest.raises(UserError, match="no device 'warp'"), default_device("warp"):
        raise AssertionError("nothing is done on a device that is not there")
    with pytest.raises(UserError, match="unknown dtype 'int8': choose one of float32, bfloat16, float16"):
        load_model(str(model), dtype="int8")
    change_json("config.json", "model_type", "never-heard-of")(model)
    with pytest.raises(UserError, match=r"config\.json cannot be used"):
        load_config(str(model))
    change_json("config.json", "model_type", "llama")(model)
    change_json("config.json", "hidden_size", "wide")(model)
    with pytest.raises(UserError, match=r"config\.json cannot be used .*'hidden_size' expected int"):
        load_config(str(model))


def test_code_that_comes_with_a_model_is_neither_run_nor_asked_about(model, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt="": pytest.fail("asked the user"))
    (model / "theirs.py").write_text("raise SystemExit('their code ran')")
    change_json("config.json", "auto_map", {"AutoConfig": "theirs.C", "AutoModelForCausalLM": "theirs.M"})(model)
    change_json("config.json", "model_type", "theirs")(model)
    with pytest.raises(UserError, match="custom code"):
        load_model(str(model))


def test_an_encoder_is_no_language_model(tmp_path):
    BertModel(
        BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=50)
    ).save_pretrained(tmp_path / "bert")
    with pytest.raises(UserError, match="no weights that fit 'cls"):
        load_model(str(tmp_path / "bert"))


# Ladders ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt2", "opt", "pythia", "qwen2.5"])
def test_published_ladders_say_every_size_in_order(name):
    assert name in ladder_names()
    ladder = load_ladder(name)
    sizes = [rung.parameters for rung in ladder.rungs]
    assert (ladder.name, ladder.source) == (name, "published")
    assert None not in sizes
    assert sizes == sorted(set(sizes))


def test_models_become_a_ladder_by_size(tmp_path):
    large = save_model(tmp_path / "large", hidden=32, context=64)
    small = save_model(tmp_path / "small", hidden=16, context=64)
    ladder = from_models([large, small])
    assert [rung.label for rung in ladder.rungs] == ["small", "large"]
    assert [rung.context for rung in ladder.rungs] == [64, 64]
    attention, mlp, norms = 2 * 16 * 16 + 2 * 16 * 8, 3 * 16 * 32, 2 * 16
    assert ladder.rungs[0].parameters == 2 * (attention + mlp + norms) + 16


def test_models_with_one_name_are_told_apart(tmp_path):
    first = save_model(tmp_path / "a" / "model")
    second = save_model(tmp_path / "b" / "model", hidden=32)
    assert [rung.label for rung in from_models([first, second]).rungs] == [first, second]
    with pytest.raises(UserError, match="stands on two rungs"):
        from_models([first, first])


def test_a_ladder_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ntitle: Mine\nrungs:\n  - {model: a/b, label: B}\n")
    assert load_ladder(str(path)) == Ladder("mine", "Mine", (Rung("a/b", "B"),))


@pytest.mark.parametrize(
    ("rungs", "sentence"),
    [
        ("  - {model: a, lable: A}", r"mine\.yaml:4: unknown key 'rungs\.0\.lable' \(did you mean 'label'\?\)"),
        ("  - {model: a, label: A}\n  - {model: a, label: B}", "'a' stands on two rungs"),
        ("  - {model: a, label: A}\n  - {model: b, label: A}", "'A' stands on two rungs"),
        ("  - {model: a, label: A, parameters: -1}", r"mine\.yaml:4: .*must be positive"),
        ("  - {model: a, label: A, parameters: 2}\n  - {model: b, label: B, parameters: 1}", "from the smallest"),
        ("  []", "at least one rung"),
    ],
)
def test_a_wrong_ladder_names_the_line(rungs, sentence, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\ntitle: Mine\nrungs:\n{rungs}\n")
    with pytest.raises(UserError, match=sentence):
        load_ladder(str(path))


def test_unknown_ladders_are_told_their_neighbours():
    with pytest.raises(UserError, match="unknown ladder 'pithia': did you mean 'pythia'"):
        load_ladder("pithia")
