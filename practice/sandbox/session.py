"""A session whose code runs in a process of its own: started at once, and anew after a call that cost it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from practice.errors import InputError
from practice.sandbox.base import Ran, SandboxLimits
from practice.sandbox.process import Box, Plan


class Keeper:
    """What every session does alike: names are checked, calls go one by one, what was loaded is kept to load again."""

    def __init__(self) -> None:
        self._loaded: dict[str, str] = {}
        self._lock = asyncio.Lock()

    async def _ask(self, op: str, *args: Any) -> Ran:
        """One request to whatever runs the code."""
        raise NotImplementedError

    async def load(self, module: str, source: str) -> Ran:
        """See :class:`~practice.sandbox.base.Session`. What is loaded twice stands once, as it was last."""
        if not module.isidentifier():
            raise InputError("the name of a module", found=module)
        async with self._lock:
            ran = await self._ask("load", module, source)
            if ran.ok:
                self._loaded.pop(module, None)
                self._loaded[module] = source
            return ran

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Ran:
        """See :class:`~practice.sandbox.base.Session`."""
        if "." not in function or not all(part.isidentifier() for part in function.split(".")):
            raise InputError("module.function", found=function)
        async with self._lock:
            return await self._ask("call", function, dict(arguments))


class ProcessSession(Keeper):
    """A :class:`~practice.sandbox.base.Session`: starts its sandbox at once, and anew after a call that cost it."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self._box: Box | None = None
        self._over = False

    async def __aenter__(self) -> ProcessSession:
        """Start the sandbox. Raises RunError where it can't be."""
        self._box = await Box.open(self.plan)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over = True
        await self._drop()

    async def run(self, source: str) -> Ran:
        """See :class:`~practice.sandbox.base.Session`."""
        async with self._lock:
            return await self._ask("run", source)

    async def _ask(self, op: str, *args: Any) -> Ran:
        if self._over:
            raise RuntimeError("the sandbox's session is over")
        if self._box is None:
            self._box = await Box.open(self.plan)
            for module, source in list(self._loaded.items()):
                again = await self._one("load", module, source)
                if not again.ok:  # what it was loaded from does not load any more: that is this call's answer
                    return again
        return await self._one(op, *args)

    async def _one(self, op: str, *args: Any) -> Ran:
        box = self._box
        if box is None:
            return Ran(ended="crashed", error="its sandbox is gone", engine=self.plan.engine)
        try:
            return await box.ask(op, *args)
        finally:
            if not box.well:  # cancelled, too: what runs on has nobody to wait for it
                await self._drop()

    async def _drop(self) -> None:
        box, self._box = self._box, None
        if box is not None:
            await box.close()


def checked_files(files: Mapping[str, bytes], limits: SandboxLimits) -> dict[str, bytes]:
    """``files`` as they can be laid out. Raises InputError for a path that leaves the folder, or too much of it."""
    for name in files:
        path = PurePosixPath(name)
        if not name or path.is_absolute() or ".." in path.parts or "\0" in name or path == PurePosixPath("."):
            raise InputError("a path within the sandbox's folder", found=name)
    total = sum(map(len, files.values()))
    if total > limits.disk_mb << 20:
        raise InputError(f"files of {limits.disk_mb} MB at most", found=f"{total / (1 << 20):.1f} MB")
    return dict(files)
