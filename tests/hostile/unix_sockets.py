"""Speaks to the machine's services over Unix sockets, by path and by abstract name."""

import socket


def attack(world: dict[str, str]) -> str:
    for name in (
        "\0" + world["abstract"],
        world["unix"],
        "/run/docker.sock",
        "/run/dbus/system_bus_socket",
        "/dev/log",
    ):
        with socket.socket(socket.AF_UNIX) as out:
            try:
                out.connect(name)
                out.sendall(b"here")
                return f"escaped: {name!r}"
            except OSError:
                continue
    return "contained: nobody there"
