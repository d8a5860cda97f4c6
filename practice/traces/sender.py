"""Gets finished spans to a collector from a thread of its own. A run never waits for it while it works.

The SDK's own batch processor joins its thread for up to 30 seconds at the end and tries a dead collector again and
again; here what can't be sent is dropped, and the end of a run waits :data:`AT_END` seconds at most.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

__all__ = ["AT_END", "BATCH", "QUEUE", "Sender"]

BATCH = 256
"""Most spans of one request."""
QUEUE = 4096
"""Spans that wait to be sent; beyond that the oldest are dropped."""
EVERY = 2.0
"""Seconds between two sendings where there is less than a batch."""
PAUSE = 30.0
"""Seconds for which a collector that failed is left alone; what ends meanwhile is dropped."""
AT_END = 3.0
"""Seconds for which the end of a run waits for what is not sent yet."""


class Sender(SpanProcessor):
    """Queues spans that have ended and sends them in batches."""

    def __init__(
        self, exporter: SpanExporter, *, every: float = EVERY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        # Without a handler of its own a library's warning goes to stderr, into the middle of a progress bar.
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        self.sent = self.lost = 0
        """Spans so far."""
        self._exporter, self._every, self._clock = exporter, every, clock
        self._queue: deque[ReadableSpan] = deque()
        self._wake = threading.Event()
        self._closing = self._busy = False
        self._resume = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="practice-traces", daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span; never blocks, never raises."""
        if self._closing or not (span.context and span.context.trace_flags.sampled):
            return
        self._queue.append(span)
        while len(self._queue) > QUEUE:
            self._drop_oldest()
        if len(self._queue) >= BATCH:
            self._wake.set()

    async def aclose(self, seconds: float | None = None) -> None:
        """Send what is left, for at most ``seconds`` (:data:`AT_END`); the thread, a daemon, ends by itself."""
        self._closing = True
        self._wake.set()
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def wait() -> None:
            self._done.wait(AT_END if seconds is None else seconds)
            with suppress(RuntimeError):  # the loop was closed before: nobody waits any more
                loop.call_soon_threadsafe(lambda: ended.done() or ended.set_result(None))

        threading.Thread(target=wait, name="practice-traces-end", daemon=True).start()
        await ended

    # ------------------------------------------------------------------ the thread

    def _work(self) -> None:
        while not self._closing:
            self._wake.wait(self._every)
            self._wake.clear()
            self._send_all()
        self._send_all()
        self._done.set()
        try:
            self._exporter.shutdown()
        except Exception:
            logging.getLogger(__name__).debug("the exporter did not close", exc_info=True)

    def _send_all(self) -> None:
        while self._queue:
            batch = self._take()
            if self._clock() < self._resume:
                self.lost += len(batch)
                continue
            try:
                good = self._exporter.export(batch) is SpanExportResult.SUCCESS
            except Exception:
                logging.getLogger(__name__).debug("spans could not be sent", exc_info=True)
                good = False
            if good:
                self.sent += len(batch)
            else:
                self.lost += len(batch)
                self._resume = self._clock() + PAUSE

    def _take(self) -> list[ReadableSpan]:
        batch: list[ReadableSpan] = []
        while len(batch) < BATCH:
            try:
                batch.append(self._queue.popleft())
            except IndexError:  # emptied by the other thread
                break
        return batch

    def _drop_oldest(self) -> None:
        try:
            self._queue.popleft()
        except IndexError:
            return
        self.lost += 1
