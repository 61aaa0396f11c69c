"""Signs that a file was made to attack people who load it with fastai or torch."""

from collections.abc import Iterator, Sequence

from .container import ExportFile
from .contents import Code, Contents
from .name_groups import reads_code
from .report import Finding, Name, joined, printable

__all__ = ["find_attacks", "find_risky_code"]

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


def find_attacks(
    export: ExportFile, contents: Contents, names: Sequence[Name]
) -> Iterator[Finding]:
    """Yield findings about what no export needs; all are fatal."""
    dangerous = [name.full for name in names if name.group == "dangerous"]
    if dangerous:
        yield Finding.of(
            "dangerous",
            f"Loading this file would reach {joined(dangerous)}. No export needs that, and by such "
            "names programs are started, or other code is fetched and run. Do not load it "
            "anywhere, and ask whoever sent it.",
        )
    strange = list(export.reading.strange)
    if contents.computed_calls:
        strange.append("It calls what other calls return.")
        if uses := find_risky_code(contents):
            strange.append(f"Code in it uses {joined(uses)}.")
    if strange:
        yield Finding.of(
            "strange-calls",
            f"Loading this file does what no export does. {' '.join(map(printable, strange))} "
            "Do not load it.",
        )


def find_risky_code(contents: Contents) -> tuple[str, ...]:
    """Return names in the file's own code by which programs are started or files changed."""
    return tuple(sorted({printable(word) for code in contents.codes for word in _runners(code)}))


def _runners(code: Code) -> Iterator[str]:
    for place, name in enumerate(code.names):
        if (
            reads_code(name)
            or name in RUNNERS
            or (name in BUILTIN_RUNNERS and _is_looked_up(code, place))
        ):
            yield name


def _is_looked_up(code: Code, place: int) -> bool:
    """Return whether the name at that place is looked up as a function, not as a method."""
    if place > 127:
        return True  # its place is spread over two instructions
    steps = zip(code.bytecode[::2], code.bytecode[1::2], strict=False)
    # Since 3.11 the place is shifted by one bit.
    return any(step in LOAD_GLOBAL and place in (at, at >> 1) for step, at in steps)
