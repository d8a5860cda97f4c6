"""Agents from a description, and whether an agent works.

    Order -> make_agent -> agents/<name>.yaml, tools/generated/, tasks/<name>.jsonl, <name>.yaml -> smoke task

``make``    from a description to files: the fixed steps     ``meta``    an agent that has these steps as its tools
``bench``   what an agent is made of, as far as settled      ``steps``   what is asked of a model, one thing at a time
``drafts``  starter tasks, answers computed by tools         ``tried``   tools before anyone relies on them
``files``   what is written, valid by construction           ``smoke``   one task that an agent must get through
``check``   all that can be tried of an agent
"""

from __future__ import annotations

from practice.agentsmith.check import Check, Checked, check_agent
from practice.agentsmith.make import check_order, make_agent
from practice.agentsmith.smoke import Smoke, first_task, smoke_of, smoke_task
from practice.agentsmith.types import MadeAgent, Order

__all__ = [
    "Check",
    "Checked",
    "MadeAgent",
    "Order",
    "Smoke",
    "check_agent",
    "check_order",
    "first_task",
    "make_agent",
    "smoke_of",
    "smoke_task",
]
