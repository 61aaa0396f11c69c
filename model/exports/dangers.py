"""What loading an export could do, as far as it shows: attacks, and code that is carried."""

from collections.abc import Iterator, Sequence

from .groups import reads_code
from .missing import is_gone
from .report import Name, Problem, listed, shown
from .values import Code, Trace

__all__ = ["dangers", "trust"]

RUNNERS = set(
    """
    system popen Popen execv execve execvp execl spawnv spawnl posix_spawn fork check_output
    check_call __import__ __builtins__ __subclasses__ __globals__ urlopen urlretrieve rmtree
    unlink write_text write_bytes
    """.split()
)
"""Names by which code starts programs, reaches what it was not given, or changes files."""

BUILTIN_RUNNERS = {"eval", "exec", "compile", "globals"}
"""The same among Python's own functions; as methods (``model.eval()``) they are harmless."""

LOAD_GLOBAL = {116, 91, 92, 101}
"""The instructions that look up a function by name: until 3.12, in 3.13, in 3.14, in a class."""


def dangers(trace: Trace, names: Sequence[Name]) -> Iterator[Problem]:
    """What no export needs; all of it fatal."""
    dangerous = [name.full for name in names if name.group == "dangerous"]
    if dangerous:
        yield Problem(
            "dangerous",
            f"Loading this file would reach {listed(dangerous)}. No export needs that, and by such "
            "names programs are started, or other code is fetched and run. Do not load it "
            "anywhere, and ask whoever sent it.",
            True,
        )
    if trace.alarms:
        yield Problem(
            "strange-calls",
            f"Loading this file does what no export does. {' '.join(map(shown, trace.alarms))} "
            "Do not load it.",
            True,
        )
    uses = sorted({word for code in trace.codes for word in _runners(code)})
    if uses:
        yield Problem(
            "dangerous-code",
            f"The file carries code that uses {listed([shown(word) for word in uses])}, by which "
            "programs are started, other code is run or files are changed. Ask whoever made it for "
            "the source, and do not load it before.",
            True,
        )


def trust(names: Sequence[Name]) -> Iterator[Problem]:
    """What only trust can answer; none of it fatal."""
    carried = [name.full for name in names if name.carried and name.group == "own"]
    if carried:
        yield Problem(
            "carried-code",
            f"The file carries compiled code: {listed(carried)}. Code can do anything that its "
            "author wanted, and that cannot be seen from outside. (fastai 2.8 adds functions of "
            "its own, as PILBase.create, and your own from the notebook.)",
            False,
        )
    others = [name.full for name in names if name.group == "other" and not is_gone(name)]
    if others:
        yield Problem(
            "other-code",
            f"Loading imports other code than fastai's: {listed(others)}. Import it only if you "
            "know what that is.",
            False,
        )


def _runners(code: Code) -> Iterator[str]:
    for place, name in enumerate(code.names):
        if (
            reads_code(name)
            or name in RUNNERS
            or (name in BUILTIN_RUNNERS and _looked_up(code, place))
        ):
            yield name


def _looked_up(code: Code, place: int) -> bool:
    """Whether the name at that place is looked up as a function, not as a method."""
    if place > 127:
        return True  # its place is spread over two instructions
    steps = zip(code.bytecode[::2], code.bytecode[1::2], strict=False)
    # Since 3.11 the place is shifted by one bit.
    return any(step in LOAD_GLOBAL and place in (at, at >> 1) for step, at in steps)
