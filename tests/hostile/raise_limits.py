"""Lifts its own limits, and lowers its supervisor's."""

import resource


def attack(world: dict[str, str]) -> str:
    for which in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):
        soft, hard = resource.getrlimit(which)
        if hard == resource.RLIM_INFINITY:
            return f"escaped: {which} was never set"
        try:
            resource.setrlimit(which, (soft, hard + 1))
            return f"escaped: raised {which}"
        except (OSError, ValueError):
            continue
    return "contained: they hold"
