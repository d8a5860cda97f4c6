"""Packs the workspace at the root into the wheel as ``practice/starter/``, which ``practice init`` copies.

Only what a workspace is made of goes in, by pattern: a developer's database, reports, generated tools and bytecode
lie in the same folders and stay out. An editable install packs nothing: there the root itself is the starter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: What a starter workspace is made of, relative to the root.
STARTER = ("practice.yaml", "agents/*.yaml", "tools/*.py", "memory/*.md", "memory/*.yaml", "tasks/*.jsonl")


class StarterHook(BuildHookInterface[Any]):
    """Adds the starter's files to a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Map each file of :data:`STARTER` to its place in the wheel; ``version`` is ``standard`` or ``editable``."""
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        for pattern in STARTER:
            for file in sorted(root.glob(pattern)):
                build_data["force_include"][str(file)] = f"practice/starter/{file.relative_to(root).as_posix()}"
