"""Every error of the program, and the one place that attributes a failure.

    PracticeError                 has an exit code
    ├── InputError            2   what the user wrote is wrong: file, key, line, expected, found, nearest
    ├── RunError              1   the run can't go on; it stays resumable
    │   ├── EndpointError     1   most calls fail, or the endpoint refuses all of them (401, 404)
    │   ├── LocalModelError   1   a local server could not be started, or weights could not be had
    │   └── SandboxMissing    1   this machine has nothing that keeps unread code apart
    ├── BudgetExhausted       3   the next call does not fit under the ceiling; resumable
    ├── Interrupted           4   Ctrl-C or SIGTERM; resumable
    ├── CheckFailed           5   a check said no
    └── CallFailed            -   one model call, retries exhausted: becomes a Failure on its rollout or verdict

A bad rollout is data, not a crash: stages run under :func:`boundary`, which turns any exception that is not
the run's own business (input, budget, interrupt) into a :class:`~practice.types.Failure` that names the stage.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager

from practice.types import Failure, FailureKind

__all__ = [
    "BudgetExhausted",
    "CallFailed",
    "CheckFailed",
    "EndpointError",
    "InputError",
    "Interrupted",
    "LocalModelError",
    "PracticeError",
    "RunError",
    "SandboxMissing",
    "boundary",
    "nearest",
]


class PracticeError(Exception):
    """The root; ``exit_code`` is what the command line ends with."""

    exit_code = 1


class InputError(PracticeError):
    """The user's input is wrong. Printed as one line; with ``--json`` as ``{"error": {...}}``."""

    exit_code = 2

    def __init__(
        self,
        expected: str,
        *,
        found: str | None = None,
        file: str | None = None,
        key: str | None = None,
        line: int | None = None,
        nearest: str | None = None,
    ) -> None:
        self.file, self.key, self.line = file, key, line
        self.expected, self.found, self.nearest = expected, found, nearest
        super().__init__(str(self))

    def __str__(self) -> str:
        where = self.file or ""
        if self.line is not None:
            where += f":{self.line}" if where else f"line {self.line}"
        if self.key is not None:
            where += f": {self.key}" if where else self.key
        text = f"{where}: expected {self.expected}" if where else f"expected {self.expected}"
        if self.found is not None:
            text += f", found {self.found}"
        if self.nearest is not None:
            text += f" (did you mean {self.nearest!r}?)"
        return text

    def as_dict(self) -> dict[str, str | int | None]:
        """The contract's ``error`` object."""
        return {
            "file": self.file,
            "key": self.key,
            "line": self.line,
            "expected": self.expected,
            "found": self.found,
            "nearest": self.nearest,
        }


class RunError(PracticeError):
    """The run can't go on for a reason outside the user's input; what was paid for is kept."""


class EndpointError(RunError):
    """Most calls fail, or the endpoint refuses every call (bad key, unknown model)."""


class LocalModelError(RunError):
    """A local server could not be started or stopped answering, or its weights could not be had."""


class SandboxMissing(RunError):
    """Nothing on this machine can run code apart from the program; the message says what to install."""


class BudgetExhausted(PracticeError):
    """Nothing is in flight and the next call does not fit under the ceiling."""

    exit_code = 3


class Interrupted(PracticeError):
    """The user stopped the run; the same command goes on with it."""

    exit_code = 4


class CheckFailed(PracticeError):
    """A check said no."""

    exit_code = 5


class CallFailed(PracticeError):
    """One model call failed after its retries. Caught by :func:`boundary`, never by a score of 0."""

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        status: int | None = None,
        retriable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        self.kind: FailureKind = kind
        self.status, self.retriable, self.retry_after = status, retriable, retry_after
        super().__init__(message)


#: Not a failure of one rollout but of the whole run: a boundary lets these pass.
PASS_THROUGH: tuple[type[BaseException], ...] = (InputError, RunError, BudgetExhausted, Interrupted)


@contextmanager
def boundary(stage: str, on_failure: Callable[[Failure], None]) -> Generator[None]:
    """Attribute every failure inside the block to ``stage`` and hand it over as data.

    Cancellation, the user's input errors, the budget and a dead endpoint pass through: they end the run, not
    the rollout.
    """
    try:
        yield
    except PASS_THROUGH:
        raise
    except CallFailed as error:
        on_failure(Failure(stage=stage, kind=error.kind, message=str(error), status=error.status))
    except Exception as error:
        on_failure(Failure(stage=stage, kind="error", message=f"{type(error).__name__}: {error}"))


def nearest(name: str, valid: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The valid name closest to ``name``, or None where nothing is close (difflib ratio under ``cutoff``)."""
    matches = difflib.get_close_matches(name, list(valid), n=1, cutoff=cutoff)
    return matches[0] if matches else None
