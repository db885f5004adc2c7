import gzip
import hashlib
import json

import hh_rlhf
import pytest

from cai_eval.contracts import Published
from cai_eval.data import PublishedSource, distinct, fetch, find, item_id, read, verify
from cai_eval.errors import UserError
from cai_eval.testing import RowsSource

ROWS = [{"text": "one line\u2028not two"}, {"text": "two"}]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def published(file: str, content: bytes | None = None, **fields) -> Published:
    sha256 = hashlib.sha256(content).hexdigest() if content else ""
    return Published("toys", file, sha256, source="https://example.org", **fields)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("toys.jsonl", JSONL),
        ("toys.jsonl.gz", gzip.compress(JSONL, mtime=0)),
        ("toys.json", json.dumps(ROWS).encode()),
        ("toys.csv", "text\none line\u2028not two\ntwo\n".encode()),
    ],
)
def test_reads_each_format(tmp_path, file, content):
    (tmp_path / file).write_bytes(content)
    assert PublishedSource(tmp_path).rows(published(file, content)) == ROWS


@pytest.mark.parametrize("place", ["part/toys.jsonl", "toys.jsonl", "upstream/part/toys.jsonl", "any/toys.jsonl"])
def test_finds_a_file_at_its_upstream_path_or_name_up_to_one_folder_down(tmp_path, place):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_bytes(JSONL)
    assert find(published("part/toys.jsonl"), tmp_path) == tmp_path / place


def test_the_folder_with_the_name_of_the_data_goes_first(tmp_path):
    for folder in ("another", "toys"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test.jsonl").write_bytes(JSONL)
    assert find(published("test.jsonl"), tmp_path) == tmp_path / "toys" / "test.jsonl"


def test_a_file_that_is_called_after_its_split_is_told_by_its_folder(tmp_path):
    data = published("base/test.jsonl")
    for place in ("test.jsonl", "other/test.jsonl"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(JSONL)
    assert find(data, tmp_path) is None
    (tmp_path / "other" / "base_test.jsonl").write_bytes(JSONL)
    assert find(data, tmp_path) == tmp_path / "other" / "base_test.jsonl"


def test_rows_of_several_files_carry_their_own(tmp_path):
    data = published("one/test.jsonl,two/test.jsonl", hub=("nobody/toys-of-cai-eval", "one/,two/", "test"))
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "test.jsonl").write_bytes(JSONL)
    with pytest.raises(UserError, match=r"holds no two/test\.jsonl, and the hub's nobody/toys"):
        PublishedSource(tmp_path).rows(data)
    (tmp_path / "two_test.jsonl").write_text('{"text": "three"}')
    assert [(row["configuration"], row["text"]) for row in PublishedSource(tmp_path).rows(data)] == [
        *(("one/test.jsonl", row["text"]) for row in ROWS),
        ("two/test.jsonl", "three"),
    ]


def test_a_missing_file_that_the_hub_has_names_folder_and_command(tmp_path):
    data = published("toys.jsonl", hub=("nobody/toys-of-cai-eval", "default", "test"))
    for source in (PublishedSource(tmp_path), PublishedSource()):
        with pytest.raises(UserError, match=r"--data DIR.*cai-eval data fetch toys"):
            source.rows(data)
    with pytest.raises(UserError, match="cannot be read"):
        fetch(data)


@pytest.fixture
def hub_copy(tmp_path, monkeypatch):
    """A repository of two configurations, in a folder as the hub would hold it."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    repository = tmp_path / "repository"
    repository.mkdir()
    card = ["---", "configs:"]
    for name in ("first", "second"):
        (repository / f"{name}.jsonl").write_text(json.dumps({"text": name, "targets": {"labels": [1, 0]}}) + "\n")
        card += [f"- config_name: {name}", "  data_files:", "  - split: test", f"    path: {name}.jsonl"]
    (repository / "README.md").write_text("\n".join([*card, "---", ""]))
    return str(repository)


def test_hub_rows_of_several_configurations_carry_their_own(hub_copy):
    data = published("toys.jsonl", hub=(hub_copy, "first,second", "test"))
    assert PublishedSource().rows(data) == [
        {"configuration": name, "text": name, "targets": {"labels": [1, 0]}} for name in ("first", "second")
    ]
    assert fetch(data) == 2


def test_folders_of_the_hub_are_configurations(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    repository = hh_rlhf.save(tmp_path / "repository", rows=6)
    data = published("any", hub=(str(repository), "harmless-base/,helpful-base/", "train"))
    rows = PublishedSource().rows(data)
    assert [row["configuration"] for row in rows] == ["harmless-base/"] * 6 + ["helpful-base/"] * 6
    assert "How do I bake 0 things?" in rows[6]["chosen"]


def test_a_folder_without_the_file_leaves_the_hub(hub_copy, tmp_path):
    data = published("toys.jsonl", hub=(hub_copy, "second", "test"))
    assert [row["text"] for row in PublishedSource(tmp_path).rows(data)] == ["second"]
    (tmp_path / "toys.jsonl").write_bytes(JSONL)
    assert PublishedSource(tmp_path).rows(data) == ROWS


def test_a_missing_file_that_the_hub_lacks_names_where_it_is_published(tmp_path):
    with pytest.raises(UserError, match=r"not on the hub.*https://example\.org.*--data DIR"):
        PublishedSource(tmp_path).rows(published("toys.jsonl"))


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"nowhere.* does not exist: give one that does"):
        PublishedSource(tmp_path / "nowhere")


def test_a_truncated_file_is_refused_by_its_checksum(tmp_path):
    path = tmp_path / "toys.jsonl"
    path.write_bytes(JSONL[:-5])
    with pytest.raises(UserError, match="truncated or not the published version"):
        verify(published("toys.jsonl", JSONL), path)
    path.write_bytes(JSONL)
    verify(published("toys.jsonl", JSONL), path)


def test_a_malformed_line_is_named(tmp_path):
    (tmp_path / "toys.jsonl").write_bytes(JSONL[:-5])
    with pytest.raises(UserError, match="line 2"):
        PublishedSource(tmp_path).rows(published("toys.jsonl"))
    (tmp_path / "toys.json").write_text('[\n{"text": 1},\n{"text" 2}]')
    with pytest.raises(UserError, match="line 3"):
        PublishedSource(tmp_path).rows(published("toys.json"))


def test_a_truncated_archive_is_one_sentence(tmp_path):
    (tmp_path / "toys.jsonl.gz").write_bytes(gzip.compress(JSONL, mtime=0)[:-9])
    with pytest.raises(UserError, match="damaged"):
        PublishedSource(tmp_path).rows(published("toys.jsonl.gz"))


def test_a_row_that_is_no_object_is_named(tmp_path):
    (tmp_path / "toys.jsonl").write_text('{"text": 1}\n[2]\n')
    with pytest.raises(UserError, match="row 2"):
        PublishedSource(tmp_path).rows(published("toys.jsonl"))


def test_a_row_that_holds_half_a_character_is_named(tmp_path):
    (tmp_path / "toys.jsonl").write_text(r'{"text": "\ud83d\ude00"}' + "\n" + r'{"text": {"a": ["\ud83d"]}}')
    with pytest.raises(UserError, match=r"row 2: holds half of a surrogate pair, '\\ud83d'"):
        PublishedSource(tmp_path).rows(published("toys.jsonl"))


def test_a_row_of_another_schema_is_named():
    source = RowsSource({"toys": [{"text": "a"}, {"question": "b"}]})
    with pytest.raises(UserError, match=r"row 2 of toys.*'text'"):
        read(source, published("toys.jsonl"), lambda row: row["text"])


def test_ids_depend_on_the_text_and_its_division():
    assert item_id("a", "b") == item_id("a", "b")
    assert len({item_id("a", "b"), item_id("ab"), item_id("b", "a")}) == 3


def test_repeated_ids_are_numbered():
    assert list(distinct(["a", "b", "a", "a"])) == ["a", "b", "a-2", "a-3"]
