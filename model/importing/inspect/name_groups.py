"""The names that a fastai export needs; a name on no list is other code.

An import turns every name into a placeholder, so it doesn't depend on these lists. They tell a
file that attacks people who load it with fastai or torch from an ordinary export.
"""

import re
import sys
from collections.abc import Container

from .known_names import (
    ATTACK_NAMES,
    ATTACKS,
    CALLED,
    CODE_RUNNERS,
    LIBRARIES,
    MODULES,
    NAMES,
    SAFE_METHODS,
    STORAGES,
    UNSAFE_PARTS,
)
from .report import Group

__all__ = ["group_of", "is_class", "reads_code"]

WORD = re.compile(r"\w+(\.\w+)*")


def group_of(
    module: str, name: str, *, called: bool, is_misused: bool = False, elsewhere: bool = False
) -> Group:
    """Return where a name belongs; ``elsewhere`` if its module only passes it on."""
    if not WORD.fullmatch(module) or not (WORD.fullmatch(name) or not name):
        return "dangerous"
    if module == "__main__":
        return "dangerous" if "." in name and _leads_out(name) else "own"
    if not name:
        return _module_group(module)
    if is_misused or _leads_out(name):
        return "dangerous"
    listed = _named(module, name) or (None if elsewhere else _placed(module, name))
    if listed and (not called or _may_be_called(module, name)):
        return listed
    return "dangerous" if _attack(module, name, called=called) else "other"


def _module_group(module: str) -> Group:
    """Return where a module belongs that carried code uses; using one calls nothing yet."""
    if reads_code(module):
        return "dangerous"
    top = module.partition(".")[0]
    return LIBRARIES.get(top) or ("python" if top in sys.stdlib_module_names else "other")


def is_class(name: str) -> bool:
    """Return whether a name is written as a class's is."""
    return name.rpartition(".")[2].lstrip("_")[:1].isupper()


def reads_code(module: str) -> bool:
    """Return whether a module that carried code uses can start programs or run other code."""
    return module.partition(".")[0] in CODE_RUNNERS


def _leads_out(name: str) -> bool:
    parts = name.split(".")
    dunder = any(part.startswith("__") and part not in SAFE_METHODS for part in parts[1:])
    # More than a class's method: a walk from one object to another.
    return dunder or len(parts) > 3 or (len(parts) > 1 and bool(UNSAFE_PARTS & set(parts)))


def _named(module: str, name: str) -> Group | None:
    """Return the group of a name that is listed itself."""
    first = name.partition(".")[0]
    for group, names in NAMES.items():
        if first in names.get(module, "").split():
            return group
    storage = module == "torch" and first.endswith("Storage")
    # Listed though its neighbours are not.
    return "torch" if storage or (module == "torch.storage" and first in STORAGES) else None


def _placed(module: str, name: str) -> Group | None:
    """Return the group of a name whose module is listed."""
    if name.partition(".")[0] in ATTACK_NAMES.get(module, "").split():
        return None
    if _within(module, ATTACKS):
        return None
    return next(
        (group for group, pattern in MODULES.items() if re.fullmatch(pattern, module)), None
    )


def _may_be_called(module: str, name: str) -> bool:
    return (
        is_class(name)
        or module.startswith("cloudpickle.")
        or bool(re.fullmatch(CALLED.get(module, r"(?!)"), name))
    )


def _attack(module: str, name: str, *, called: bool) -> bool:
    """Return whether a name that is not needed is one that attacks use."""
    top = module.partition(".")[0]
    if _within(module, ATTACKS) or name.partition(".")[0] in ATTACK_NAMES.get(module, "").split():
        return True
    # No export needs anything else of Python itself, so such a name is there on purpose.
    return top in sys.stdlib_module_names or (called and not is_class(name) and top in LIBRARIES)


def _within(module: str, names: Container[str]) -> bool:
    """Return whether a module, or a package that it is in, is among the names."""
    parts = module.split(".")
    return any(".".join(parts[: end + 1]) in names for end in range(len(parts)))
