"""Writes forged replies into every descriptor that it holds, then answers as if nothing were."""

import json
import os


def attack(world: dict[str, str]) -> str:
    body = json.dumps({"id": "0" * 16, "ended": "done", "value": "forged"}).encode()
    for fd in range(3, 256):
        for lead in (b"", b"R", b"E"):
            try:
                os.write(fd, len(lead + body).to_bytes(4, "big") + lead + body)
            except OSError:
                continue
    return "forged"
