"""Opens sockets that a network namespace does not part, or that see raw packets: vsock, packet, netlink, alg."""

import socket


def attack(world: dict[str, str]) -> str:
    opened: list[int] = []
    for family in (16, 17, 38, 40, 44, 31, 29):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            try:
                socket.socket(family, kind).close()
                opened.append(family)
            except OSError:
                continue
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()
        opened.append(2)
    except OSError:
        pass
    return f"escaped: {opened}" if opened else "contained: refused"
