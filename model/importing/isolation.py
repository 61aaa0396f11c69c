"""Starts a command without a network and with limits. Run by path: it imports only Python's own.

``python -I -S isolation.py PARENT MEMORY CPU NOTE COMMAND ...``: writes into the file NOTE
whether the network is away (``none``) or not (``open``), then becomes COMMAND.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["die_with", "main"]

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG = 1
MOST_WRITTEN = 2**31
"""Bytes of one file, the most that a bundle's may have."""


def main(words: list[str]) -> None:
    """Shut off and limit this process, then become the command."""
    parent, memory, cpu, note, *command = words
    # Before anything starts threads: the kernel moves a process with one thread only.
    away = without_network()
    limit(int(memory), int(cpu))
    Path(note).write_text("none" if away else "open")
    die_with(int(parent))
    os.execv(command[0], command)  # noqa: S606 - the words are the parent's own


def without_network() -> bool:
    """Move into a network of its own, which has nothing in it; whether the kernel let us."""
    user, group = os.getuid(), os.getgid()
    try:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            return False
    except (OSError, AttributeError, TypeError):
        # Only Linux has it.
        return False
    # The same user as before: without a map the process would be nobody.
    for name, text in (("setgroups", "deny"), ("uid_map", user), ("gid_map", group)):
        with suppress(OSError):
            line = text if name == "setgroups" else f"{text} {text} 1"
            Path("/proc/self", name).write_text(str(line))
    return True


def limit(memory: int, cpu: int) -> None:
    """Allow no core dumps, files of a bundle's size, ``memory`` bytes and ``cpu`` seconds.

    Without ``cpu`` seconds (0) the time of computing is not limited.
    """
    with suppress(ImportError):
        import resource

        # Its soft limit ends the process by SIGXCPU, which says why; the hard one by SIGKILL.
        if cpu:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
        for kind, most in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, MOST_WRITTEN),
            (resource.RLIMIT_DATA, memory),
        ):
            with suppress(OSError, ValueError):
                hard = resource.getrlimit(kind)[1]
                most = most if hard == resource.RLIM_INFINITY else min(most, hard)
                resource.setrlimit(kind, (most, most))


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that ends (Linux)."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It ended before the kernel was asked.
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
