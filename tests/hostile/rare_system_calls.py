"""Calls the parts of the kernel that holes are found in: keys, bpf, io_uring, userfaultfd, perf."""

import ctypes
import platform


def attack(world: dict[str, str]) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    x86 = {"keyctl": 250, "add_key": 248, "bpf": 321, "userfaultfd": 323, "perf_event_open": 298, "memfd_create": 319}
    arm = {"keyctl": 219, "add_key": 217, "bpf": 280, "userfaultfd": 282, "perf_event_open": 241, "memfd_create": 279}
    numbers = {
        **(x86 if platform.machine() == "x86_64" else arm),
        "io_uring_setup": 425,
        "fsopen": 430,
        "open_tree": 428,
    }
    refused = {1, 38}  # EPERM, ENOSYS: the filter's; anything else comes from the call itself
    for name, number in numbers.items():
        ctypes.set_errno(0)
        if libc.syscall(number, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() not in refused:
            return f"escaped: {name} answered {ctypes.get_errno()}"
    return "contained: refused"
