"""The wheel, built and used: what is in it, and that ``practice init`` works from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: As hatch_build.py packs them, written anew: a pattern lost there is seen here.
STARTER = ("practice.yaml", "agents/*.yaml", "tools/*.py", "memory/*.md", "memory/*.yaml", "tasks/*.jsonl")


def build(target: str, source: Path, out: Path) -> Path:
    """Build ``wheel`` or ``sdist`` with the backend that is installed; the file that came out."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = out.iterdir()
    return built


def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def starter() -> set[str]:
    return {file.relative_to(ROOT).as_posix() for pattern in STARTER for file in ROOT.glob(pattern)}


@pytest.mark.slow
def test_wheel_holds_the_machine_and_the_starter_and_nothing_else(tmp_path: Path) -> None:
    litter = ROOT / "memory" / "practice.db-litter"
    litter.touch()
    try:
        wheel = build("wheel", ROOT, tmp_path / "wheel")
    finally:
        litter.unlink()
    held = names(wheel)
    assert {name.split("/")[0] for name in held if ".dist-info/" not in name} == {"practice"}
    packed = {name.removeprefix("practice/starter/") for name in held if name.startswith("practice/starter/")}
    assert packed == starter()
    assert {"practice.yaml"} < packed
    assert "practice/py.typed" in held
    assert any(name.endswith("licenses/LICENSE") for name in held)


@pytest.mark.slow
def test_wheel_from_the_source_archive_is_the_same(tmp_path: Path) -> None:
    archive = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    assert names(build("wheel", source, tmp_path / "a")) == names(build("wheel", ROOT, tmp_path / "b"))


@pytest.mark.slow
def test_init_works_from_the_wheel(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.unpack_archive(build("wheel", ROOT, tmp_path / "wheel"), site, "zip")
    environment = {**os.environ, "PYTHONPATH": str(site)}
    code = "import practice, sys; print(practice.__file__, file=sys.stderr); from practice.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "init", "new"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0].startswith(str(site))
    made = {file.relative_to(tmp_path / "new").as_posix() for file in (tmp_path / "new").rglob("*") if file.is_file()}
    assert made >= {name for name in starter() if not name.startswith("memory/")}
