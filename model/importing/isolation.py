"""Start a command without a network and with limits. Run by path, with only the standard library.

``python -I -S isolation.py PARENT MEMORY CPU STAGES COMMAND ...``: writes a first line into the
file STAGES, ``isolated`` if the network is blocked, else ``connected``, then becomes COMMAND.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG = 1
MAX_FILE_BYTES = 2**31
"""Largest file that the process may write, in bytes."""


def main(words: list[str]) -> None:
    """Isolate and limit this process, then become the command."""
    parent, memory, cpu, stages, *command = words
    # Before any threads start: the kernel moves only single-threaded processes.
    is_blocked = block_network()
    limit(int(memory), int(cpu))
    Path(stages).write_text("isolated\n" if is_blocked else "connected\n")
    die_with(int(parent))
    os.execv(command[0], command)  # noqa: S606 - the words are the parent's own


def block_network() -> bool:
    """Enter an empty network namespace; return True if the kernel allowed it."""
    user, group = os.getuid(), os.getgid()
    try:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            return False
    except (OSError, AttributeError, TypeError):
        # Only Linux has unshare().
        return False
    # Map our uid and gid; unmapped, the process runs as `nobody`.
    maps = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
    for name, text in maps.items():
        with suppress(OSError):
            Path("/proc/self", name).write_text(text)
    return True


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Set rlimits: no core dumps, 2 GB per file, ``memory_bytes`` of data, ``cpu_seconds``.

    Without ``cpu_seconds`` (0) the CPU time is unlimited.
    """
    with suppress(ImportError):
        import resource

        # The soft limit ends the process by SIGXCPU, which names the cause; the hard, by SIGKILL.
        if cpu_seconds:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        for kind, maximum in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
            (resource.RLIMIT_DATA, memory_bytes),
        ):
            with suppress(OSError, ValueError):
                hard = resource.getrlimit(kind)[1]
                maximum = maximum if hard == resource.RLIM_INFINITY else min(maximum, hard)
                resource.setrlimit(kind, (maximum, maximum))


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends in any way (Linux)."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # The parent ended before prctl().
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
