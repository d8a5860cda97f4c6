"""What every test stands on: no key of the developer's, no network but this machine, the same examples each time."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

# The suite may not depend on how fast or busy the machine is, nor on what an earlier run found.
settings.register_profile("practice", deadline=None, derandomize=True, database=None)
settings.load_profile("practice")

_LOCAL = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(autouse=True)
def _isolated(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # pyright: ignore
    """Hide the developer's keys and refuse connections that leave the machine, unless the test is ``live``."""
    if request.node.get_closest_marker("live") is None:
        for name in [name for name in os.environ if name.endswith("_API_KEY")]:
            monkeypatch.delenv(name)
        connect = socket.socket.connect

        def guarded(self: socket.socket, address: Any) -> None:
            if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in _LOCAL:
                raise PermissionError(f"a test may not reach {address[0]}; mark it live if it must")
            connect(self, address)

        monkeypatch.setattr(socket.socket, "connect", guarded)
    yield
