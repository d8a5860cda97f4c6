"""``practice judge stability --scores``, as a person calls it: outside a workspace, and in one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from practice.cli import main


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of ``practice …`` in this process."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def scores(path: Path, *, groups: int = 40, error: float = 0.05, seed: int = 0) -> Path:
    """A file of scores: two wordings x two seeds that see worth with an error."""
    rng = np.random.default_rng(seed)
    lines = ["group_id,rollout_id,score,evaluator,prompt,seed"]
    for group in range(groups):
        worth = rng.normal(size=4)
        for prompt in ("plain", "strict"):
            for draw in (1, 2):
                seen = worth + error * rng.normal(size=4)
                lines += [
                    f"q{group},r{place},{value:.4f},{prompt}-{draw},{prompt},{draw}" for place, value in enumerate(seen)
                ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_outside_a_workspace_the_report_lies_beside_the_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = scores(folder / "my scores.csv")
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "judge", "stability", "--scores", str(path), "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document["verdict"] == "STABLE" and set(document["axes"]) == {"seed", "prompt", "all"}
    assert document == json.loads((folder / "stability-my-scores.json").read_text())
    assert "STABLE" in (folder / "stability-my-scores.md").read_text()
    page = (folder / "stability-my-scores.html").read_text()
    assert page.lower().lstrip().startswith("<!doctype html>") and "STABLE" in page
    assert err.strip().endswith("stability-my-scores.html")
    assert {file.name for file in tmp_path.iterdir()} == {"data"}


def test_in_a_workspace_it_lies_with_the_other_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w" / "agents").mkdir(parents=True)
    path = scores(tmp_path / "s.csv")
    monkeypatch.chdir(tmp_path / "w")
    code, out, _ = call(capsys, "judge", "stability", "--scores", str(path))
    assert code == 0 and (tmp_path / "w" / "reports" / "stability-s.html").is_file()
    for words in ("STABLE", "Changing only", "reliability", "least stable groups", "prompt", "every pair"):
        assert words in out
    call(capsys, "judge", "stability", "--scores", str(path), "--report", str(tmp_path / "there"))
    assert (tmp_path / "there" / "stability-s.md").is_file()


def test_noise_exits_5_and_too_little_6(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    noise = scores(tmp_path / "noise.csv", error=30.0)
    code, out, _ = call(capsys, "judge", "stability", "--scores", str(noise), "--json")
    assert code == 5 and json.loads(out)["verdict"] == "NOISE-DRIVEN"
    few = scores(tmp_path / "few.csv", groups=8)
    code, out, _ = call(capsys, "judge", "stability", "--scores", str(few), "--json")
    found = json.loads(out)
    assert code == 6 and found["verdict"] == "INSUFFICIENT" and found["sentence"].startswith("Indicative")
    code, out, _ = call(capsys, "judge", "stability", "--scores", str(few), "--json", "--cut", "groups=5")
    assert code == 0 and json.loads(out)["verdict"] in ("STABLE", "CAUTION")


def test_a_folder_that_cannot_be_written_to_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = scores(tmp_path / "s.csv", groups=3)
    (tmp_path / "file").write_text("")
    code, out, _ = call(
        capsys, "judge", "stability", "--scores", str(path), "--report", str(tmp_path / "file" / "x"), "--json"
    )
    assert code == 2 and json.loads(out)["error"]["key"] == "--report"
