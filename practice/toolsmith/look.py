"""Whether a tool that there is will do."""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict

from practice.config import Workspace
from practice.errors import CallFailed
from practice.tool.find import Found, find
from practice.toolsmith.desk import USELESS, Desk

__all__ = ["look"]

SHARE = 0.5
"""Of the wish's words a tool's text has to hold this share (by weight) before the model is asked: small models say
yes to much, and a needless new tool costs less than an agent with the wrong one."""
MOST_ASKED = 2


class SameReply(BaseModel):
    """Whether a tool covers what is needed."""

    model_config = ConfigDict(extra="ignore")

    needed: str = ""
    gives: str = ""
    covers: Literal["all", "part", "nothing"]


_SAME = {
    "type": "object",
    "properties": {
        "needed": {"type": "string"},
        "gives": {"type": "string"},
        "covers": {"enum": ["all", "part", "nothing"]},
    },
    "required": ["needed", "gives", "covers"],
    "additionalProperties": False,
}


async def look(desk: Desk, what: str, workspace: Workspace) -> Found | None:
    """The workspace's tool that does what is wished, by word search and the model's word; None where there is none."""
    near = [found for found in find(what, workspace, k=MOST_ASKED) if found.share >= SHARE]
    for found in near:
        try:
            reply = await desk.fill(
                "tool_same", SameReply, shape=_SAME, temperature=0.0, max_tokens=200, what=what, tool=_told(found)
            )
        except CallFailed as error:
            if error.kind not in USELESS:
                raise
            continue
        desk.say(f"looked at {found.ref}: covers {reply.covers}")
        if reply.covers == "all":
            return found
    return None


def _told(found: Found) -> str:
    properties = cast("dict[str, dict[str, Any]]", found.spec.parameters.get("properties", {}))
    lines = [f"- {name}: {schema.get('description') or schema.get('type', '')}" for name, schema in properties.items()]
    return f"{found.spec.name}: {found.spec.description}\nIts arguments:\n" + "\n".join(lines)
