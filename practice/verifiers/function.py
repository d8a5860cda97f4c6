"""A function of the user's as a verifier: ``tools/my_check.py:check``."""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
from collections.abc import Awaitable, Callable
from typing import Any, SupportsFloat, cast

from practice.errors import CallFailed, InputError, boundary, nearest
from practice.types import Failure, Rollout, Task, Verdict
from practice.verifiers.base import settled, unscored

__all__ = ["FunctionVerifier"]

#: What a function may ask for, by the name of its parameter.
PARAMETERS: dict[str, Callable[[Task, Rollout], object]] = {
    "task": lambda task, _: task,
    "rollout": lambda _, rollout: rollout,
    "output": lambda _, rollout: rollout.output,
    "answer": lambda task, _: task.answer,
    "input": lambda task, _: task.input,
}
SECONDS = 120.0
"""What one call may take."""


class FunctionVerifier:
    """Scores with ``check(output, answer)``, ``check(task, rollout)`` or any of task, rollout, output, answer, input.

    It returns a number from 0 to 1, a bool, None (unscored), or any of these with a reason, ``(score, reason)``.
    What it raises, and a score outside [0, 1], makes the rollout unscored, with the failure. An ``async`` function
    runs concurrently; a plain one in a thread, one call at a time, so it need not be thread-safe.
    """

    def __init__(self, name: str, function: Callable[..., Any], seconds: float = SECONDS) -> None:
        """``name`` is what verdicts are signed with. Raises InputError where the signature asks for something else."""
        self.name = name
        self.seconds = seconds
        self._function = function
        self._asks = _parameters(name, function)
        self._one = asyncio.Lock()

    def check(self, task: Task) -> None:
        """Raise InputError where the function takes ``answer`` and has no default, and the task has none."""
        if "answer" in self._asks and "task" not in self._asks and task.answer is None:
            parameter = inspect.signature(self._function).parameters["answer"]
            if parameter.default is inspect.Parameter.empty:
                raise InputError(f"an answer, which {self.name} takes", key=f"task {task.id}: answer")

    async def verify(self, task: Task, rollout: Rollout) -> Verdict:
        """The function's word on one rollout."""
        verdict = settled(rollout, self.name)
        if verdict is not None:
            return verdict
        failures: list[Failure] = []
        with boundary("verifier", failures.append):
            score, reason = _score(await self._call(task, rollout))
            words = len(rollout.output.split())
            return Verdict(rollout_id=rollout.id, evaluator=self.name, score=score, reason=reason, n_words=words)
        return unscored(rollout, self.name, failures[0])

    async def _call(self, task: Task, rollout: Rollout) -> object:
        values = {name: PARAMETERS[name](task, rollout) for name in self._asks}
        scope = asyncio.timeout(self.seconds)
        try:
            async with scope:
                if inspect.iscoroutinefunction(self._function):
                    return await self._function(**values)
                async with self._one:
                    result = await _in_thread(lambda: self._function(**values))
                # A callable that is no coroutine function may still hand back an awaitable.
                return await cast("Awaitable[object]", result) if inspect.isawaitable(result) else result
        except TimeoutError:
            if not scope.expired():
                raise  # the function's own
            raise CallFailed("timeout", f"{self.name} took more than {self.seconds:g} s") from None


def _parameters(name: str, function: Callable[..., Any]) -> tuple[str, ...]:
    """The values that a function asks for."""
    wanted: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        known = parameter.name in PARAMETERS and parameter.kind is not parameter.POSITIONAL_ONLY
        if known:
            wanted.append(parameter.name)
        elif parameter.default is parameter.empty:
            expected = f"parameters among {', '.join(PARAMETERS)}"
            near = nearest(parameter.name, PARAMETERS)
            raise InputError(expected, found=repr(parameter.name), key=name, nearest=near)
    if not wanted:
        raise InputError(f"at least one parameter of {', '.join(PARAMETERS)}", found="none", key=name)
    return tuple(wanted)


def _score(result: object) -> tuple[float | None, str]:
    """Score and reason of what a function returned. Raises CallFailed where that is not a score."""
    reason = ""
    if isinstance(result, tuple):
        pair = cast("tuple[object, ...]", result)
        if len(pair) != 2:
            raise CallFailed("error", f"expected a score or (score, reason), found a tuple of {len(pair)}")
        result, reason = pair[0], str(pair[1])
    if result is None:
        return None, reason
    if isinstance(result, str) or not isinstance(result, SupportsFloat):
        raise CallFailed("error", f"expected a score from 0 to 1, found {type(result).__name__}")
    score = float(result)
    if not math.isfinite(score) or not 0.0 <= score <= 1.0:
        raise CallFailed("error", f"expected a score from 0 to 1, found {score:g}")
    return score, reason


async def _in_thread(work: Callable[[], object]) -> object:
    """Run ``work`` in a thread of its own, which does not keep the process alive where it never ends."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[object] = loop.create_future()

    def settle(value: object, error: Exception | None) -> None:
        if not done.done():
            done.set_result(value) if error is None else done.set_exception(error)

    def target() -> None:
        value: object = None
        error: Exception | None = None
        try:
            value = work()
        except Exception as caught:
            error = caught
        except BaseException as caught:  # sys.exit in a check ends the check, not the program
            error = CallFailed("error", f"{type(caught).__name__}: {caught}")
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=target, name="practice-verifier", daemon=True).start()
    return await done
