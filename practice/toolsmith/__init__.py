"""A tool from a description: looked for, else written with its tests, and both run in the sandbox first.

    wish -> look -> plan -> code (several) + cases -> run, compare, repair -> break it on purpose -> tools/generated/

``types``     :class:`Wish`, :class:`Made`, :class:`Unmade`: what is asked for and what comes back
``make``      :func:`make`: the whole way
``look``      whether a tool that there is will do
``plan``      name, arguments, what it returns and refuses; ``code`` and ``cases`` from a model's answers
``bench``     implementations x cases in the sandbox, and their votes; ``settle`` who is right, and repairs
``mutants``   broken versions on purpose; ``sharpen`` what the tests make of them
``suite``     :func:`run_tests`: the tests of a generated tool, each a call of its own
``desk``      every question to the model, counted; ``asking`` what they are
"""

from __future__ import annotations

from practice.toolsmith.make import make
from practice.toolsmith.suite import TestRun, run_tests
from practice.toolsmith.types import Made, MakeLimits, Unmade, Wish

__all__ = ["Made", "MakeLimits", "TestRun", "Unmade", "Wish", "make", "run_tests"]
