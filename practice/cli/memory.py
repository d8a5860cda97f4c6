"""``practice memory``: read the bank and its history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from practice.cli.common import AsJson, WorkspaceDir, open_store, print_json, table, workspace
from practice.errors import InputError, nearest

if TYPE_CHECKING:
    from practice.config import Workspace
    from practice.judge import Support
    from practice.memory import Bank

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
BankName = Annotated[str | None, typer.Argument(help="A bank's file or name; default: the only one.")]


def _banks(place: Workspace) -> list[Path]:
    return sorted(place.memory.glob("*.yaml"))


def bank_path(place: Workspace, name: str | None) -> Path:
    """The file of a bank: by path, by name, or the only one there is."""
    banks = _banks(place)
    if name is None:
        if len(banks) == 1:
            return banks[0]
        found = f"{len(banks)} in {place.relative(place.memory)}: {', '.join(path.stem for path in banks) or 'none'}"
        raise InputError("the name of a bank", found=found, key="BANK")
    for path in (place.path(name), place.memory / name, place.memory / f"{name}.yaml"):
        if path.is_file():
            return path
    raise InputError("a bank", found=repr(name), key="BANK", nearest=nearest(name, [path.stem for path in banks]))


def _load(directory: Path | None, name: str | None) -> tuple[Workspace, Path, Bank]:
    from practice.memory import Bank

    place = workspace(directory)
    path = bank_path(place, name)
    return place, path, Bank.load(path)


@app.command("list")
def list_banks(directory: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """The banks of this workspace."""
    from practice.memory import Bank

    place = workspace(directory)
    rows = [(path, Bank.load(path)) for path in _banks(place)]
    if as_json:
        fields = [
            {
                "bank": bank.bank,
                "path": place.relative(path),
                "revision": bank.revision,
                "active": len(bank.active),
                "experiences": len(bank.experiences),
            }
            for path, bank in rows
        ]
        print_json(fields)
        return
    lines = [
        (bank.bank, place.relative(path), bank.revision, len(bank.active), len(bank.experiences)) for path, bank in rows
    ]
    table(["bank", "file", "revision", "active", "experiences"], lines)


@app.command("show")
def show(bank: BankName = None, directory: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """A bank's experiences with their counts and evidence."""
    place, path, loaded = _load(directory, bank)
    judged = _judged(place, path)
    if as_json:
        document = loaded.model_dump(mode="json")
        for line in document["experiences"]:
            line["judged"] = [
                s.model_dump(mode="json") | {"agreement": s.agreement} for s in judged.get(line["id"], ())
            ]
        print_json(document)
        return
    rows = [
        (e.id, e.status, e.text, f"+{e.helpful} -{e.harmful}", len(e.evidence), _agreed(judged.get(e.id, ())))
        for e in sorted(loaded.experiences, key=lambda e: ("active", "candidate", "retired").index(e.status))
    ]
    title = f"{loaded.bank}, revision {loaded.revision}"
    columns = ["id", "status", "text", "tasks better/worse", "rollouts", "judges agree"]
    table(columns[: 6 if judged else 5], [row[: 6 if judged else 5] for row in rows], title=title)


def _judged(place: Workspace, path: Path) -> dict[str, tuple[Support, ...]]:
    """How far judges agreed on what each experience was drawn from; empty where nothing was ever run."""
    from practice import records

    if not place.db.exists():
        return {}
    with open_store(place) as store:
        return store.now(lambda db: records.experience_support(db, place.relative(path)))


def _agreed(supports: Sequence[Support]) -> str:
    """``7 of 9 pairs; 2 of 16 groups abstained``, of the latest decision about an experience."""
    if not supports:
        return ""
    last = supports[-1]
    return f"{last.counted} of {last.pairs} pairs; {last.abstained} of {last.practised} groups abstained"


@app.command("search")
def search(
    query: Annotated[str, typer.Argument(help="Words to look for.")],
    bank: BankName = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 10,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """The experiences that fit some words best (BM25)."""
    from practice.memory import search as find

    _, _, loaded = _load(directory, bank)
    found = find(loaded, query, limit)
    if as_json:
        print_json([{**experience.model_dump(mode="json"), "fit": round(fit, 3)} for experience, fit in found])
        return
    table(["id", "status", "text", "fit"], [(e.id, e.status, e.text, f"{fit:.2f}") for e, fit in found])


@app.command("history")
def history(
    bank: BankName = None,
    experience: Annotated[str | None, typer.Option("--id", help="Only this experience.")] = None,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Every change of a bank: when, by which run or by hand, and what it said from then on."""
    from practice import records

    place, path, _ = _load(directory, bank)
    with open_store(place) as store:
        rows = store.now(lambda db: records.bank_history(db, place.relative(path), experience))
    if as_json:
        print_json([row.model_dump(mode="json") for row in rows])
        return
    lines = [
        (
            row.revision,
            row.at,
            row.id,
            row.change,
            row.status,
            f"+{row.helpful} -{row.harmful}",
            row.text,
            row.run or "hand",
        )
        for row in rows
    ]
    table(["rev", "at", "id", "change", "status", "tasks", "text", "by"], lines)


@app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(help="A bank's file, or the number of a revision.")],
    new: Annotated[str, typer.Argument(help="A bank's file, or the number of a revision.")],
    bank: Annotated[str | None, typer.Option("--bank", help="Whose revisions; default: the only bank.")] = None,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """What differs between two banks or two revisions of one."""
    from practice.memory import diff as differences

    place = workspace(directory)
    one, two = (_side(place, side, bank) for side in (old, new))
    found = differences(one, two)
    if as_json:
        print_json(list(found))
        return
    typer.echo("\n".join(found) or "no difference")


def _side(place: Workspace, side: str, name: str | None) -> Bank:
    from practice import records
    from practice.memory import Bank

    if not side.isdigit():
        return Bank.load(bank_path(place, side))
    path = bank_path(place, name)
    with open_store(place) as store:
        bank = store.now(lambda db: records.bank_at(db, place.relative(path), int(side)))
    if bank is None:
        raise InputError("the number of a revision (see `practice memory history`)", found=side, key="REVISION")
    return bank


@app.command("export")
def export(
    bank: BankName = None,
    out: Annotated[Path | None, typer.Option("--out", help="A YAML file; default: stdout.")] = None,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """A bank as YAML (or JSON) for another workspace."""
    from practice.config import dump_yaml, write_yaml

    _, _, loaded = _load(directory, bank)
    if out is not None:
        write_yaml(out, loaded.to_yaml())
    if as_json:
        print_json(loaded)
    elif out is None:
        typer.echo(dump_yaml(loaded.to_yaml()), nl=False)
    else:
        typer.echo(str(out))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A bank's YAML file, edited by hand or from another workspace.")],
    bank: Annotated[str | None, typer.Option("--bank", help="The name it gets here; default: its own.")] = None,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Take a bank file into this workspace; its changes become revisions."""
    from practice.bankfile import bank_lock, import_bank
    from practice.config import write_yaml
    from practice.memory import Bank
    from practice.store import Store

    place = workspace(directory)
    incoming = Bank.load(file.resolve())
    if not file.is_file():
        raise InputError("a file", found="none there", file=str(file))
    name = bank or incoming.bank
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InputError(
            "a bank's name of letters, digits, '.', '_' and '-'",
            found=repr(name),
            key="--bank" if bank else "bank",
            file=None if bank else str(file),
        )
    incoming = incoming.model_copy(update={"bank": name})
    target = place.memory / f"{name}.yaml"
    notes: list[str] = []
    with bank_lock(target):
        write_yaml(target, incoming.to_yaml())
        with Store(place.db) as store:
            merged = store.now(lambda db: import_bank(db, target, place.relative(target), notes.append))
        write_yaml(target, merged.to_yaml())
    if as_json:
        print_json({"bank": place.relative(target), "revision": merged.revision, "notes": notes})
    else:
        typer.echo("\n".join([*notes, f"{place.relative(target)}: revision {merged.revision}"]))
