"""Stage 3: what a rollout is worth. Verifiers are programs; a panel of LLM judges scores and ranks a group blind.

    task, rollouts ─ stage 1 ─ stage 2 ─ … ─► verdicts, rewards (the product; a 0 ends it), counted pairs

``reward``  :class:`Reward`, :func:`load_reward`        ``panel``  LLM judges and the gate on their agreement
``show``    how an attempt is shown to a judge          ``practice.verifiers``  exact, number, math, function
"""

from __future__ import annotations

from practice.judge.panel import Judge, Panel
from practice.judge.reward import Asks, Reward, Verifier, load_reward

__all__ = ["Asks", "Judge", "Panel", "Reward", "Verifier", "load_reward"]
