"""Parts of the sandbox by themselves: plain data, messages, the system-call filter."""

import collections
import fcntl
import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cai_eval.sandbox.inside import namespaces
from cai_eval.sandbox.inside.channel import Channel, TooLongError
from cai_eval.sandbox.inside.plain import decode, encode
from cai_eval.sandbox.inside.seccomp import (
    ALLOW,
    ENOSYS,
    ERRNO,
    KILL_PROCESS,
    assemble,
)
from cai_eval.sandbox.inside.syscalls import AUDIT_ARCHITECTURES, OPENING, PLAIN, REFUSED, WRITING, numbers

HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=8,
)
VALUES = st.recursive(
    HASHABLE
    | st.complex_numbers(allow_nan=False)
    | st.sets(HASHABLE, max_size=4)
    | st.sampled_from([int, ValueError, range(3)]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.lists(inner, max_size=3).map(collections.deque)
        | st.dictionaries(HASHABLE, inner, max_size=3).map(collections.OrderedDict)
        | st.dictionaries(st.text(), st.integers(), max_size=3).map(collections.Counter)
    ),
    max_leaves=20,
)


def nothing(*_: object) -> object:
    raise AssertionError("plain data need no reference")


def send_and_receive(message, limit: int = 1 << 20):
    reader, writer = os.pipe()
    try:
        Channel(writer, limit).send(message)
        return Channel(reader, limit).receive()
    finally:
        os.close(reader)
        os.close(writer)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_plain_data_cross_unchanged(value):
    back = decode(send_and_receive(encode(value, nothing)), nothing)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value) or isinstance(value, set | frozenset | dict | list | tuple | collections.deque)


def test_equality_of_its_own_stays_behind():
    class Sly(list):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None

    assert type(decode(encode(Sly([1]), nothing), nothing)) is list


@pytest.mark.parametrize(
    "data", [{"set": [[1]]}, {"int": "z"}, {"type": "Popen"}, {}, {"a": 1, "b": 2}, {"range": [1, 2, 0]}, {"tuple": 5}]
)
def test_what_encode_would_not_make_is_an_error(data):
    def no(tag: str, body: object) -> object:
        raise ValueError(tag)

    with pytest.raises((ValueError, TypeError, KeyError)):
        decode(data, no)


def test_messages_have_a_limit_and_an_end():
    with pytest.raises(TooLongError):
        send_and_receive("x" * 100, limit=50)
    reader, writer = os.pipe()
    os.write(writer, (10).to_bytes(4, "little") + b"[1")
    os.close(writer)
    with pytest.raises(EOFError):
        Channel(reader, 100).receive()
    os.close(reader)


def verdict(code: bytes, number: int, flags: int = 0, architecture: int = AUDIT_ARCHITECTURES["x86_64"]) -> int:
    """What the kernel would make of a call: a classic BPF machine of the instructions that we use."""
    data = struct.pack("IIQ6Q", number, architecture, 0, *[flags] * 6)
    program = list(struct.iter_unpack("HBBI", code))
    at = accumulator = 0
    while True:
        operation, yes, no, operand = program[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("I", data, operand)
        elif operation == 0x06:
            return operand
        else:
            holds = {0x15: accumulator == operand, 0x35: accumulator >= operand, 0x45: bool(accumulator & operand)}[
                operation
            ]
            at += yes if holds else no


@pytest.mark.parametrize("machine", AUDIT_ARCHITECTURES)
@pytest.mark.parametrize("writing", [True, False])
def test_the_filter_does_to_every_call_what_the_tables_say(machine, writing):
    code, known = assemble(machine, writing), numbers(machine)
    allowed = {known[name] for name in (*PLAIN, *(WRITING if writing else ())) if name in known}
    refused = {known[name] for name in REFUSED if name in known}
    opening = {known[name] for name in OPENING if name in known}
    assert not allowed & refused
    for number in [*range(700), 0x3FFFFFFF]:
        got = verdict(code, number, architecture=AUDIT_ARCHITECTURES[machine])
        expected = ALLOW if number in allowed | opening else KILL_PROCESS if number in refused else ERRNO | ENOSYS
        assert got == expected, number
    assert verdict(code, 0x40000000 | 57, architecture=AUDIT_ARCHITECTURES[machine]) == KILL_PROCESS
    assert verdict(code, 0, architecture=0x40000003) == KILL_PROCESS  # 32-bit calls
    assert len(code) // 8 < 4096


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_TMPFILE | os.O_RDWR])
def test_without_writing_files_open_for_reading_only(flags):
    for name, index in OPENING.items():
        assert index == {"open": 1, "openat": 2}[name]
        number = numbers("x86_64")[name]
        assert verdict(assemble("x86_64", writing=False), number, os.O_RDONLY | os.O_CLOEXEC) == ALLOW
        assert verdict(assemble("x86_64", writing=False), number, flags) & 0xFFFF0000 == ERRNO
        assert verdict(assemble("x86_64", writing=True), number, flags) == ALLOW


def test_no_file_sends_signals():
    number, code = numbers("x86_64")["fcntl"], assemble("x86_64", writing=True)
    for command in (fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC):
        assert verdict(code, number, command) == ALLOW
    for command in (fcntl.F_SETOWN, fcntl.F_SETSIG, 15, fcntl.F_SETLEASE, fcntl.F_NOTIFY):  # 15: F_SETOWN_EX
        assert verdict(code, number, command) & 0xFFFF0000 == ERRNO


def test_an_interpreter_in_the_private_folder_is_refused_before_anything_changes(monkeypatch, tmp_path):
    def too_late() -> int:
        raise AssertionError

    monkeypatch.setattr(namespaces, "_own_user", too_late)
    monkeypatch.setattr(namespaces, "SCRATCH", str(tmp_path))
    (tmp_path / "lib").mkdir()
    with pytest.raises(OSError, match="the interpreter lies in"):
        namespaces.enter([str(tmp_path / "lib")], [], 1 << 20)


def test_a_machine_that_we_do_not_know_has_no_filter():
    with pytest.raises(KeyError):
        assemble("vax", writing=True)
