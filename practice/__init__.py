"""Makes an LLM agent better without touching a weight.

The public names load on first use, so that ``import practice`` costs nothing::

    from practice import Agent, Bank, Task, evaluate, run, stability

``Agent``      an agent from YAML or Python: ``Agent.from_yaml(path)``, ``await agent.run(input, memory=bank)``
``Bank``       the experience memory: ``Bank.load(path)``
``Task``       one task: input, answer, verifier
``run``        the practice loop: tasks -> rollouts -> verdicts -> advantage -> memory edits
``evaluate``   held-out runs, with an interval
``stability``  how far judges can be trusted: ``stability.analyse(stability.read_scores(path))``
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from practice import stability
    from practice.agent import Agent
    from practice.evaluation import evaluate
    from practice.memory import Bank
    from practice.runner import run
    from practice.types import Task

__version__ = "0.1.0"

__all__ = ["Agent", "Bank", "Task", "__version__", "evaluate", "run", "stability"]

#: Public name -> the module that defines it.
_HOMES = {
    "Agent": "practice.agent",
    "Bank": "practice.memory",
    "Task": "practice.types",
    "evaluate": "practice.evaluation",
    "run": "practice.runner",
}

#: Public names that are rooms: there is more than one thing to call in them.
_ROOMS = {"stability": "practice.stability"}


def __getattr__(name: str) -> Any:
    """Load a public name from its module and keep it."""
    if name in _ROOMS:
        return importlib.import_module(_ROOMS[name])
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_ROOMS})
