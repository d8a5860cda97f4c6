"""Live progress on stderr: a drawn line in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from practice.progress import Progress

Result = TypeVar("Result")


def line(progress: Progress) -> str:
    """One line: stage, rollouts, rate, spend, time left."""
    parts = [progress.stage]
    if progress.total:
        parts.append(f"{progress.done}/{progress.total} {progress.unit}")
    else:
        parts.append(f"{progress.rollouts} rollouts")
    if progress.steps:
        parts.append(f"step {min(progress.steps_done + 1, progress.steps)}/{progress.steps}")
    if progress.judged:
        parts.append(f"{progress.right / progress.judged:.0%} right in practice")
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if progress.calls is not None:
        usage = list(progress.calls.usage.values())
        tokens = sum(item.input_tokens + item.output_tokens for item in usage)
        calls = sum(item.calls for item in usage)
        minutes = max(time.monotonic() - progress.started, 1.0) / 60
        parts.append(f"{calls} calls ({calls / minutes:.0f}/min), {tokens:,} tokens")
        prices = [item.usd for item in usage]
        if prices and all(price is not None for price in prices):
            spent = sum(price for price in prices if price is not None)
            if spent:
                parts.append(f"{spent:.4f} usd")
    left = progress.left()
    if left is not None:
        parts.append(f"{timedelta(seconds=int(left))} left in this stage")
    return " · ".join(parts)


async def watched(work: Coroutine[Any, Any, Result], progress: Progress) -> Result:
    """Do the work with a live display; Ctrl-C and SIGTERM are an orderly stop."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    display = asyncio.create_task(watch(progress))
    try:
        return await task
    finally:
        display.cancel()
        await asyncio.gather(display, return_exceptions=True)


async def watch(progress: Progress) -> None:
    """Draw until cancelled."""
    drawn = sys.stderr.isatty()
    shown, last_stage, spoke = 0, progress.stage, time.monotonic()
    try:
        while True:
            for message in progress.messages[shown:]:
                _say(message, drawn)
            shown = len(progress.messages)
            if drawn:
                sys.stderr.write(f"\r\x1b[2K{line(progress)[: _width()]}")
                sys.stderr.flush()
            elif progress.stage != last_stage or time.monotonic() - spoke > 30:
                last_stage, spoke = progress.stage, time.monotonic()
                _say(line(progress), drawn)
            await asyncio.sleep(0.2 if drawn else 1.0)
    finally:
        for message in progress.messages[shown:]:
            _say(message, drawn)
        if drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def _say(text: str, drawn: bool) -> None:
    sys.stderr.write(f"\r\x1b[2K{text}\n" if drawn else f"{text}\n")


def _width() -> int:
    import shutil

    return shutil.get_terminal_size().columns - 1
