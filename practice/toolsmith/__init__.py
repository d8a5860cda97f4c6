"""A tool from a description: looked for, else written with its tests, and both run in the sandbox first.

    wish -> look -> plan -> code (several) + cases -> run, compare, repair -> break it on purpose -> tools/generated/

``types``    :class:`Wish`, :class:`Made`, :class:`Unmade`: what is asked for and what comes back
``make``     :func:`make`: the whole way
"""

from __future__ import annotations

from practice.toolsmith.make import make
from practice.toolsmith.types import Made, MakeLimits, Unmade, Wish

__all__ = ["Made", "MakeLimits", "Unmade", "Wish", "make"]
