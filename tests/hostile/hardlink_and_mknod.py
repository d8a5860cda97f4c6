"""Makes a hard link to the key and device files of its own."""

import os
import stat


def attack(world: dict[str, str]) -> str:
    for make in (
        lambda: os.link(world["key"], "linked"),
        lambda: os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(8, 0)),
        lambda: os.mknod("memory", stat.S_IFCHR | 0o600, os.makedev(1, 1)),
        lambda: open("/dev/mem", "rb").read(1),
        lambda: open("/dev/kmsg", "rb").read(1),
        lambda: open("/dev/vda", "rb").read(1),
    ):
        try:
            make()
            return "escaped: it was made"
        except OSError:
            continue
    return "contained: not permitted"
