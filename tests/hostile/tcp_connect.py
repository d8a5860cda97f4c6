"""Opens TCP connections: to the machine itself, to the world."""

import socket


def attack(world: dict[str, str]) -> str:
    for address in (("127.0.0.1", int(world["tcp"])), ("1.1.1.1", 53), ("8.8.8.8", 443), ("169.254.169.254", 80)):
        try:
            with socket.create_connection(address, timeout=0.3) as connection:
                connection.sendall(b"here")
                return f"escaped: {address}"
        except OSError:
            continue
    return "contained: no route"
