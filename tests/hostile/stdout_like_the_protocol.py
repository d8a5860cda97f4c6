"""Prints what looks like a reply of the sandbox's own."""

import json
import os


def attack(world: dict[str, str]) -> str:
    for ended in ("done", "raised"):
        body = json.dumps({"id": "", "ended": ended, "value": "forged", "error": "forged"}).encode()
        for lead in (b"", b"R", b"E"):
            frame = len(lead + body).to_bytes(4, "big") + lead + body
            os.write(1, frame)
            os.write(2, frame)
    print('{"id": "", "ended": "done", "value": "forged"}', flush=True)
    return "contained: the true value"
