"""The sandbox's parts that need no sandbox: replies from hostile code, the filter of system calls, values, monty."""

from __future__ import annotations

import errno
import json
import math
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.errors import InputError, SandboxMissing
from practice.sandbox import Permit, SandboxLimits, Session, engine
from practice.sandbox.interpreter import TooLong, plain
from practice.sandbox.reply import most_bytes, read_reply
from practice.sandbox.seccomp import REFUSED, program

LIMITS = SandboxLimits(seconds=1, cpu_seconds=1, memory_mb=64, output_chars=200)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

# ---------------------------------------------------------------- replies


def reply(**told: Any) -> bytes:
    return b"R" + json.dumps({"id": "me", "ended": "done", "value": None, **told}).encode()


@given(JSON)
def test_an_honest_reply_is_read_as_it_was_written(value: Any) -> None:
    limits = LIMITS.model_copy(update={"output_chars": 100_000})
    ran = read_reply(reply(value=value), "me", limits)
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in json.dumps(value, ensure_ascii=False)):
        assert ran.ended == "crashed"
    else:
        assert (ran.ended, ran.value) == ("done", value)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_program_stumble(data: bytes) -> None:
    assert read_reply(b"R" + data, "me", LIMITS).ended == "crashed"
    assert read_reply(data, "me", LIMITS).ended == "crashed"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"R",
        reply(id="another"),
        reply(ended="crashed"),
        reply(ended=["done"]),
        reply(value=float("nan")),
        reply(value="x" * 5000),
        reply(value=json.loads("[" * 90 + "]" * 90)),
        reply(value="\ud800"),
        b'R{"id": "me", "ended": "done", "value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'R{"id": "me", "ended": "done", "value": ' + b"9" * 5000 + b"}",
        b'R["me"]',
        b"R\xff\xfe",
        b'E{"ended": "whatever", "error": "x"}',
        b'E{"ended": "timeout"}',
    ],
)
def test_a_reply_that_is_none_is_a_crash(frame: bytes) -> None:
    ran = read_reply(frame, "me", LIMITS)
    assert (ran.ended, ran.value, ran.error) == ("crashed", None, "its reply can't be read")


def test_what_did_not_end_well_has_no_value() -> None:
    ran = read_reply(reply(ended="raised", value="x", error="ValueError", traceback="..."), "me", LIMITS)
    assert (ran.ended, ran.value, ran.error, ran.traceback) == ("raised", None, "ValueError", "...")
    assert read_reply(b'E{"ended": "timeout", "error": "why"}', "me", LIMITS).error == "why"


@given(st.text(alphabet='\x00\x01é😀"\\', max_size=200))
def test_the_longest_frame_holds_all_that_may_be_kept(text: str) -> None:
    told = {"id": "0" * 16, "ended": "raised", "value": text, "error": text, "traceback": text}
    assert len(json.dumps(told).encode()) < most_bytes(LIMITS)


# ---------------------------------------------------------------- values


@given(JSON)
def test_a_value_of_json_stays_what_it_is(value: Any) -> None:
    assert json.loads(plain(value, "f", 10**6)) == value


@given(JSON, st.sampled_from([b"x", {1}, object(), math.nan, math.inf, 1j, range(3), {(1,): 2}]))
def test_a_value_with_anything_else_in_it_is_refused_by_name(value: Any, odd: Any) -> None:
    for whole in (odd, [value, odd], {"key": [odd], "other": value}):
        with pytest.raises(TypeError, match=r"^f returned (a|nan|inf)"):
            plain(whole, "f", 10**6)


def test_a_value_has_a_length_and_a_depth() -> None:
    assert plain("x" * 198, "f", 200) == '"' + "x" * 198 + '"'
    with pytest.raises(TooLong, match="f returned 201 characters of JSON; at most 200 are taken"):
        plain("x" * 199, "f", 200)
    deep: Any = 1
    for _ in range(64):
        deep = [deep]
    assert plain(deep, "f", 200) == "[" * 64 + "1" + "]" * 64
    with pytest.raises(TypeError, match="more than 64 lists and dicts within each other"):
        plain([deep], "f", 200)
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(TypeError, match="within each other"):
        plain(circle, "f", 200)


# ---------------------------------------------------------------- the filter

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
READ, CLONE, SOCKET = {"x86_64": 0, "aarch64": 63}, {"x86_64": 56, "aarch64": 220}, {"x86_64": 41, "aarch64": 198}


def verdict(machine: str, number: int, argument: int = 0, arch: int | None = None) -> str:
    """What the filter says of a system call: a small machine for the five instructions that it uses."""
    code = list(struct.iter_unpack("=HBBI", program(machine)))
    data = struct.pack("=iIQ6Q", number, ARCH[machine] if arch is None else arch, 0, argument, 0, 0, 0, 0, 0)
    at, register = 0, 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == 0x20:
            (register,) = struct.unpack_from("=I", data, value)
        elif operation == 0x06:
            fate, number_ = value & 0xFFFF0000, value & 0xFFFF
            return {0x80000000: "kill", 0x7FFF0000: "allow"}.get(fate, errno.errorcode.get(number_, "?"))
        else:
            holds = {0x15: register == value, 0x35: register >= value, 0x45: bool(register & value)}[operation]
            at += yes if holds else no


@pytest.mark.parametrize("machine", ARCH)
def test_the_filter_refuses_what_it_names_and_nothing_else(machine: str) -> None:
    column = list(ARCH).index(machine)
    refused = {numbers[column] for numbers in REFUSED.values()} - {None}
    special = {CLONE[machine], 435, SOCKET[machine]}
    for number in range(600):
        expected = "EPERM" if number in refused else "allow"
        if number not in special:
            assert verdict(machine, number) == expected, number
    assert verdict(machine, 435) == "ENOSYS"
    assert verdict(machine, READ[machine], arch=0x40000003) == "kill"
    if machine == "x86_64":
        assert verdict(machine, 0x40000000 + READ[machine]) == "ENOSYS"


@pytest.mark.parametrize("machine", ARCH)
def test_the_filter_looks_at_arguments(machine: str) -> None:
    assert verdict(machine, CLONE[machine], 0x003D0F00) == "allow"  # a thread
    assert verdict(machine, CLONE[machine], 0x01200011) == "allow"  # a fork
    for namespace in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(machine, CLONE[machine], namespace | 17) == "EPERM"
    for family in range(50):
        expected = "allow" if family in (1, 2, 10) else "EAFNOSUPPORT"
        assert verdict(machine, SOCKET[machine], family) == expected


def test_a_processor_that_is_not_known_is_refused() -> None:
    with pytest.raises(SandboxMissing, match="processor of type riscv64: only x86_64 and aarch64 are known"):
        program("riscv64")


# ---------------------------------------------------------------- monty


@pytest.fixture
async def monty() -> AsyncIterator[Session]:
    async with engine(kind="monty").session(LIMITS) as session:
        yield session


async def test_monty_runs_small_pure_functions(monty: Session) -> None:
    assert (await monty.load("tool", "def f(x, y=2):\n    print('f', x)\n    return [x * y, {'a': (1,)}]")).ok
    ran = await monty.call("tool.f", {"x": 21})
    assert (ran.value, ran.stdout, ran.engine) == ([42, {"a": [1]}], "f 21\n", "monty")
    assert (await monty.run("x = 1")).value is None
    assert (await monty.run("x + 1")).value == "2"
    await monty.load("other", "def f(x):\n    return 'other'")
    assert (await monty.call("other.f", {"x": 1})).value == "other"
    assert (await monty.call("tool.f", {"x": 1})).value == [2, {"a": [1]}]


@pytest.mark.parametrize(
    ("source", "ended", "error"),
    [
        ("def f(): return {1, 2}", "raised", "TypeError: tool.f returned a set"),
        ("def f(): return open('/etc/passwd').read()", "raised", "PermissionError"),
        ("def f():\n    import socket", "raised", "ModuleNotFoundError: No module named 'socket'"),
        ("def f(): return 1 / 0", "raised", "ZeroDivisionError: division by zero"),
        ("def f():\n    while True: pass", "timeout", "time limit exceeded"),
        ("def f():\n    x = 'a' * 10**6\n    return [x * i for i in range(1000)]", "memory", "memory limit exceeded"),
        ("def f(): return 'x' * 1000", "output", "1,002 characters of JSON"),
    ],
)
async def test_monty_says_what_it_can_not_do(monty: Session, source: str, ended: str, error: str) -> None:
    await monty.load("tool", source)
    ran = await monty.call("tool.f", {})
    assert (ran.ended, ran.value) == (ended, None)
    assert error in ran.error
    again = await monty.call("tool.f", {})
    assert again.ended == ended  # what was loaded is loaded still


async def test_monty_refuses_what_it_has_no_room_for(monty: Session) -> None:
    assert (await monty.load("tool", "def (")).error.startswith("SyntaxError")
    assert (await monty.call("tool.f", {})).error == "ModuleNotFoundError: nothing is loaded as 'tool'"
    with pytest.raises(InputError, match=r"module\.function"):
        await monty.call("tool.f()", {})
    with pytest.raises(InputError, match="names are identifiers"):
        await monty.load("tool", "def f(): return 1")
        await monty.call("tool.f", {"x=1, y": 2})
    by = engine(kind="monty")
    with pytest.raises(InputError, match="without files and permits"):
        async with by.session(LIMITS, permit=Permit(hosts=("example.org",))):
            pass
    with pytest.raises(InputError, match="without files and permits"):
        async with by.session(LIMITS, files={"a": b""}):
            pass
