"""The system calls that code in a sandbox is refused, as a program for the kernel's filter (seccomp BPF).

Refused is what opens a namespace or a mount, looks into processes, reaches what namespaces don't part (keys, the
machine's clock, sockets of a virtual machine to its host), holds memory that no limit counts, or is a large part of
the kernel that Python code rarely has a use for. A refused call fails with an errno, as on a kernel without it.
Numbers: Linux's ``unistd.h`` of each architecture; the instructions: ``linux/filter.h``, ``linux/seccomp.h``.
"""

from __future__ import annotations

import errno
import functools
import platform
import struct

from practice.errors import SandboxMissing

_X86, _ARM = "x86_64", "aarch64"
_ARCH = {_X86: 0xC000003E, _ARM: 0xC00000B7}
"""AUDIT_ARCH_*: a call by another convention (32 bits) ends the process."""

_SOCKET = {_X86: 41, _ARM: 198}
_CLONE = {_X86: 56, _ARM: 220}
_CLONE3 = 435
_FAMILIES = (1, 2, 10)
"""Unix, IPv4, IPv6; they end in the sandbox's own network. AF_VSOCK, AF_ALG, AF_PACKET and the rest are refused."""

_NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""

#: Name -> number on x86_64, on aarch64 (None: there is no such call).
REFUSED: dict[str, tuple[int, int | None]] = {
    # file systems and name spaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "setns": (308, 268),
    "unshare": (272, 97),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # the machine's state
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    # keys, which a namespace doesn't part
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    # memory that no limit of a process counts
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "vmsplice": (278, 75),
    # large and rarely used parts of the kernel
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "lookup_dcookie": (212, 18),
    "personality": (135, 92),
    "uselib": (134, None),
    "ustat": (136, None),
    "sysfs": (139, None),
    "_sysctl": (156, None),
    "nfsservctl": (180, 42),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data


@functools.cache
def program(machine: str = "") -> bytes:
    """The filter for this machine. Raises SandboxMissing for a processor whose numbers are not known here."""
    machine = machine or platform.machine()
    if machine not in _ARCH:
        raise SandboxMissing(f"no sandbox on a processor of type {machine}: only {_X86} and {_ARM} are known")
    column = list(_ARCH).index(machine)
    code: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == _X86:  # the x32 convention has numbers of its own
        code += [(_AT_LEAST, 0, 1, 0x40000000), _fail(errno.ENOSYS)]
    # clone3 keeps its flags behind a pointer, where a filter can't look: without it the C library uses clone.
    code += [(_EQUAL, 0, 1, _CLONE3), _fail(errno.ENOSYS)]
    for numbers in REFUSED.values():
        number = numbers[column]
        if number is not None:
            code += [(_EQUAL, 0, 1, number), _fail(errno.EPERM)]
    code += [
        (_EQUAL, 0, 4, _CLONE[machine]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        _fail(errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    known = len(_FAMILIES)
    code += [(_EQUAL, 0, known + 2, _SOCKET[machine]), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    code += [(_EQUAL, known - n, 0, family) for n, family in enumerate(_FAMILIES)]
    code += [_fail(errno.EAFNOSUPPORT), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _fail(number: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, _ERRNO | number)
