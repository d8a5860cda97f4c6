"""The GPUs of this machine, as ``nvidia-smi`` tells them."""

from __future__ import annotations

import os
import shutil
import subprocess

from practice.types import Value

__all__ = ["Gpu", "probe"]

#: Seconds that nvidia-smi may take; a driver that hangs would hold everything up.
TIMEOUT = 30.0
_QUERY = ["--query-gpu=index,uuid,memory.total,memory.free,name", "--format=csv,noheader,nounits"]


class Gpu(Value):
    """One GPU."""

    index: int
    """Its number in the order of the PCI bus."""
    uuid: str
    name: str
    total: float
    """GiB."""
    free: float
    """GiB."""


def probe() -> tuple[Gpu, ...]:
    """The GPUs that this process may use; none where there is no driver.

    ``CUDA_VISIBLE_DEVICES`` leaves the others out, by numbers or by (beginnings of) UUIDs.
    """
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    try:
        done = subprocess.run([command, *_QUERY], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = [gpu for line in done.stdout.splitlines() if (gpu := _gpu(line))] if done.returncode == 0 else []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return tuple(found)
    wanted = [name.strip() for name in visible.split(",") if name.strip()]
    return tuple(gpu for gpu in found if any(_is(gpu, name) for name in wanted))


def _gpu(line: str) -> Gpu | None:
    """A line of the table; None for one whose memory the driver does not tell (``[N/A]``)."""
    cells = [cell.strip() for cell in line.split(",", 4)]
    try:
        index, uuid, total, free, name = cells
        return Gpu(index=int(index), uuid=uuid, total=float(total) / 1024, free=float(free) / 1024, name=name)
    except ValueError:
        return None


def _is(gpu: Gpu, name: str) -> bool:
    return name == str(gpu.index) if name.isdigit() else gpu.uuid.startswith(name)
