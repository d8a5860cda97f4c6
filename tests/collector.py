"""A real OTLP/HTTP collector for tests: it decodes what it is sent, or hangs, or answers with an error."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Seen:
    """One span as the collector got it."""

    name: str
    id: bytes
    trace: bytes
    parent: bytes
    kind: int
    attributes: dict[str, Any]
    status: int
    message: str
    events: tuple[tuple[str, dict[str, Any]], ...]
    resource: dict[str, Any] = field(default_factory=dict[str, Any])


class Collector:
    """Starts with ``with``. ``answer``: ``ok``, ``hang`` (until the end) or an HTTP status."""

    def __init__(self, answer: str | int = "ok") -> None:
        self.answer = answer
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Collector:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def spans(self) -> list[Seen]:
        """All spans, in the order of their ends."""
        found: list[Seen] = []
        for body in self.bodies:
            for whole in ExportTraceServiceRequest.FromString(body).resource_spans:
                about = pairs(whole.resource.attributes)
                found += [seen(span, about) for scope in whole.scope_spans for span in scope.spans]
        return found

    def path(self, span: Seen) -> list[str]:
        """The names from the root to the span."""
        by_id = {one.id: one for one in self.spans}
        names = [span.name]
        while span.parent:
            span = by_id[span.parent]
            names.insert(0, span.name)
        return names

    def _handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.bodies.append(body)
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                collector.paths.append(self.path)
                if collector.answer == "hang":
                    collector.over.wait(60)
                    return
                self.send_response(200 if collector.answer == "ok" else int(collector.answer))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        return Handler


def seen(span: Any, resource: dict[str, Any]) -> Seen:
    return Seen(
        name=span.name,
        id=span.span_id,
        trace=span.trace_id,
        parent=span.parent_span_id,
        kind=span.kind,
        attributes=pairs(span.attributes),
        status=span.status.code,
        message=span.status.message,
        events=tuple((event.name, pairs(event.attributes)) for event in span.events),
        resource=resource,
    )


def pairs(attributes: Any) -> dict[str, Any]:
    return {pair.key: value_of(pair.value) for pair in attributes}


def value_of(value: Any) -> Any:
    if value.HasField("array_value"):
        return [value_of(item) for item in value.array_value.values]
    return getattr(value, value.WhichOneof("value"))
