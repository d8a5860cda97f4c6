"""44 tools that attack (tests/hostile/): each is contained, what it came to is told, and the session goes on.

Run as whoever runs the tests, and, where that is root, as an ordinary user, too.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from practice.sandbox import engine
from tests.hostiles import FOLDER, MANIFEST, TOOLS, attack, missing, world

ROOT = Path(__file__).parent.parent
NOBODY = 65534


@pytest.fixture(autouse=True)
def _walls() -> None:  # pyright: ignore[reportUnusedFunction]
    if missing():
        pytest.skip(missing())


def test_every_tool_is_in_the_manifest() -> None:
    assert set(MANIFEST) == set(TOOLS)
    assert len(TOOLS) >= 40
    for name in TOOLS:
        assert (FOLDER / f"{name}.py").read_text().startswith('"""'), f"{name} says what it tries"


@pytest.mark.parametrize("name", TOOLS)
async def test_a_hostile_tool_is_contained(name: str) -> None:
    by = engine()
    assert by.name == "bwrap"
    _, wrong = await attack(name, by)
    assert not wrong


def test_harm_would_be_seen() -> None:
    """The checks see what they are there to see."""
    with world() as around:
        assert not around.harmed()
        told = around.told()
        (Path(told["outside"]) / "hostile").write_text("here")
        around.udp.sendto(b"here", ("127.0.0.1", int(told["udp"])))
        around.bystander.kill()
        around.bystander.wait()
        child = subprocess.Popen(["sleep", "600"])
        found = around.harmed()
        child.kill()
        child.wait()
    assert found == [
        "udp was spoken to",
        "a file was written",
        "a bystander was killed",
        f"processes are left: {{'{child.pid}'}}",
    ]


# ---------------------------------------------------------------- an ordinary user

_BECOME = f"""
import os, sys
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
os.execv(sys.argv[1], sys.argv[1:])
"""


def as_nobody(*command: str) -> list[str]:
    """A command as an ordinary user, who sees the same machine; folders that root closed stay closed but for Python."""
    hidden: list[str] = []
    shown: list[str] = []
    for place in {os.path.realpath(ROOT), os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)}:
        above = list(reversed(Path(place).parents))
        closed = [folder for folder in above if not folder.stat().st_mode & 1]
        if closed:
            if str(closed[0]) not in hidden:
                hidden += ["--perms", "0755", "--tmpfs", str(closed[0])]
            for folder in above[above.index(closed[0]) + 1 :]:
                shown += ["--perms", "0755", "--dir", str(folder)]
            shown += ["--ro-bind", place, place]
    view = ["bwrap", "--dev-bind", "/", "/", *hidden, *shown, "--cap-add", "ALL", "--chdir", str(ROOT), "--"]
    return [*view, sys.executable, "-c", _BECOME, sys.executable, *command]


@functools.cache
def as_an_ordinary_user() -> dict[str, list[str]]:
    """What was wrong with each tool, run so."""
    command = as_nobody("-m", "tests.hostiles")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["engine"], told["uid"]) == ("bwrap", NOBODY)
    return told["wrong"]


@pytest.mark.timeout(900)
@pytest.mark.skipif(os.getuid() != 0, reason="the tests run as an ordinary user already")
@pytest.mark.parametrize("name", TOOLS)
def test_a_hostile_tool_of_an_ordinary_users_is_contained(name: str) -> None:
    assert as_an_ordinary_user()[name] == []
