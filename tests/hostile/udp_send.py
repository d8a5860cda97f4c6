"""Sends datagrams: to the machine itself, to a name server, to everybody."""

import socket


def attack(world: dict[str, str]) -> str:
    sent: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for address in (("127.0.0.1", int(world["udp"])), ("8.8.8.8", 53), ("255.255.255.255", 9), ("224.0.0.1", 9)):
            try:
                out.sendto(b"here", address)
                sent.append(address[0])
            except OSError:
                continue
    # Its own loopback takes a datagram for a port where nobody listens; whether one arrives is seen outside.
    return f"escaped: {sent}" if set(sent) - {"127.0.0.1"} else "contained: only its own loopback"
