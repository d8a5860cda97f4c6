"""Agents from a description, and whether an agent works.

``smoke``  one task that an agent must get through        ``check``  all that can be tried of an agent
"""

from __future__ import annotations

from practice.agentsmith.check import Check, Checked, check_agent
from practice.agentsmith.smoke import Smoke, first_task, smoke_of, smoke_task

__all__ = ["Check", "Checked", "Smoke", "check_agent", "first_task", "smoke_of", "smoke_task"]
