"""Code that nobody has read runs here, apart from the program: ``engine()`` gives the best that this machine has."""

from __future__ import annotations

from practice.sandbox.base import Ended, Engine, Permit, Ran, SandboxLimits, Session

__all__ = ["Ended", "Engine", "Permit", "Ran", "SandboxLimits", "Session"]
