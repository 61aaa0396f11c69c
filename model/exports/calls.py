"""What a call in a pickle amounts to: the few functions whose results matter are known here.

A function that can reach others by name (``getattr``, ``subimport``, ``partial``) is
followed, so that what it reaches is named; a function that unpickles again is read into.
"""

from collections.abc import Callable

from .lists import SAFE_METHODS
from .values import UNKNOWN, Carried, Code, Global, Made, Trace, Value

__all__ = ["LOADERS", "called", "noted"]

Args = tuple[Value, ...]

MAX_CARRIED = 10_000
"""Functions and classes with their code in the file that are noted."""

MAX_NESTED = 5_000
"""Pickles inside pickles that are read into: a bare pickle of a network has one a tensor."""

MAX_DEPTH = 8
"""Pickles inside pickles inside pickles, and functions inside of ``partial``."""

LOADERS = {
    Global("pickle", "loads"),
    Global("_pickle", "loads"),
    Global("dill", "loads"),
    Global("dill._dill", "loads"),
    Global("cloudpickle", "loads"),
    Global("cloudpickle.cloudpickle", "loads"),
    Global("joblib", "loads"),
    Global("torch.storage", "_load_from_bytes"),
}
"""Functions that unpickle the bytes they are given."""

BUILTIN_TYPES = set(
    """
    CodeType MethodType ModuleType NoneType EllipsisType NotImplementedType SimpleNamespace
    CellType GenericAlias UnionType MappingProxyType
    """.split()
)
"""What ``cloudpickle`` looks up in ``types`` by name, for code and for annotations."""

ANNOTATIONS = {"typing", "collections.abc", "builtins", "types"}
"""Modules whose classes take others in brackets: ``Callable[[int], str]``."""


def called(trace: Trace, maker: Value, args: Value) -> Value:
    """A placeholder for ``maker(*args)``; what it calls is noted in ``trace``."""
    if not isinstance(args, tuple):
        trace.alarm("Arguments of a call are put together while the file is loaded.")
        args = ()
    for _ in range(MAX_DEPTH):
        if not (isinstance(maker, Made) and maker.maker == PARTIAL and maker.args):
            break
        maker, args = maker.args[0], (*maker.args[1:], *args)
    if maker is CODE:
        return _code(trace, maker, args)
    if maker is METHOD:
        return Made(METHOD, args)
    noted(trace, maker)
    if isinstance(maker, Global):
        if maker in LOADERS:
            _nested(trace, maker, args)
        special = SPECIAL.get((maker.module, maker.name))
        if special:
            return special(trace, maker, args)
    return Made(maker, args)


def noted(trace: Trace, maker: Value) -> None:
    """Note that ``maker`` is called."""
    if isinstance(maker, Global):
        trace.see(maker).called = True
    elif isinstance(maker, Carried):
        maker.called = True
        if maker.kind == "function":
            trace.alarm(f"A function that the file carries, {maker.name}, is called on loading.")
    else:
        trace.alarm("What is called on loading is itself put together by calls.")


def _getattr(trace: Trace, maker: Global, args: Args) -> Value:
    """``getattr`` on a module or class is a longer name; private names are for attacks."""
    if len(args) < 2 or not isinstance(args[1], str):
        trace.see(maker).alarm = True
        return Made(maker, args)
    owner, name = args[:2]
    if name.startswith("__") and name not in SAFE_METHODS:
        trace.see(maker).alarm = True
    if isinstance(owner, Global):
        found = Global(owner.module, f"{owner.name}.{name}" if owner.name else name)
        trace.see(found)
        return found
    if not isinstance(owner, Made | Carried):
        trace.see(maker).alarm = True
    return Made(maker, args)


def _module(trace: Trace, _: Global, args: Args) -> Value:
    """``cloudpickle``'s way to a module that carried code uses."""
    if not args or not isinstance(args[0], str):
        trace.alarm("The name of a module is put together while the file is loaded.")
        return UNKNOWN
    found = Global(args[0], "")
    trace.see(found)
    return found


def _new_module(_: Trace, __: Global, args: Args) -> Value:
    return Carried("class", "", str(args[0])) if args else UNKNOWN


def _builtin_type(trace: Trace, maker: Global, args: Args) -> Value:
    name = args[0] if args else None
    if name == "CodeType":
        return CODE
    if name == "MethodType":
        return METHOD
    if name in BUILTIN_TYPES:
        return Global("types", str(name))
    trace.alarm("A type is looked up that no export needs.")
    return Made(maker, args)


def _getitem(trace: Trace, maker: Global, args: Args) -> Value:
    """``getitem(Callable, …)``: an annotation of carried code. On others it may do anything."""
    owner = args[0] if args else None
    if not isinstance(owner, Global) or owner.module not in ANNOTATIONS:
        trace.see(maker).alarm = True
    return Made(maker, args)


def _code(trace: Trace, _: Global, args: Args) -> Value:
    """A code object: 15, 16 or 18 arguments, by the version of Python."""
    at = next((index for index, arg in enumerate(args) if isinstance(arg, bytes)), None)
    names = args[at + 2] if at is not None and len(args) > at + 2 else None
    if at is None or not isinstance(names, tuple) or not all(isinstance(x, str) for x in names):
        trace.alarm("The file carries code that is put together while it is loaded.")
        return UNKNOWN
    texts = [arg for arg in args[at + 3 :] if isinstance(arg, str)]
    # The file, the name, and since Python 3.11 the name with its class.
    name = texts[2] if len(texts) > 2 else texts[1] if len(texts) > 1 else "a function"
    code = Code(len(args), name, args[at], names)
    if len(trace.codes) < MAX_CARRIED:
        trace.codes.append(code)
    return code


def _reduce(trace: Trace, maker: Global, args: Args) -> Value:
    """``reduce(or_, numbers)``: how Python 3.11 writes flags. It calls what it is given."""
    if not args or args[0] != Global("operator", "or_"):
        trace.see(maker).alarm = True
    return Made(maker, args)


def _function(trace: Trace, _: Global, args: Args) -> Value:
    """``cloudpickle``'s function: its code, and the module's name among its globals."""
    code = args[0] if args and isinstance(args[0], Code) else None
    around = args[1] if len(args) > 1 and isinstance(args[1], dict) else {}
    module, name = around.get("__name__"), code.name if code else "a function"
    return _carry(trace, Carried("function", module if isinstance(module, str) else "", name))


def _class(trace: Trace, _: Global, args: Args) -> Value:
    """``cloudpickle``'s class: ``(type, name, bases, {"__module__": …}, …)``."""
    texts = [arg for arg in args[:3] if isinstance(arg, str)]
    around = next((arg for arg in args if isinstance(arg, dict)), {})
    module = around.get("__module__")
    return _carry(
        trace,
        Carried(
            "class", module if isinstance(module, str) else "", texts[0] if texts else "a class"
        ),
    )


def _carry(trace: Trace, found: Carried) -> Carried:
    if len(trace.carried) < MAX_CARRIED:
        trace.carried.append(found)
    return found


def _encode(_: Trace, __: Global, args: Args) -> Value:
    """``_codecs.encode(text, "latin1")``: how protocol 2 writes bytes."""
    if len(args) == 2 and isinstance(args[0], str) and args[1] in ("latin1", "latin-1"):
        try:
            return args[0].encode("latin1")
        except UnicodeEncodeError:
            return UNKNOWN
    return UNKNOWN


def _inner(trace: Trace, maker: Global, args: Args) -> Value:
    """Functions that call what they are given: ``__newobj__``, torch's for subclasses."""
    inner = args[0] if args else None
    noted(trace, inner)
    if isinstance(inner, Global) and (inner.module, inner.name) in SPECIAL:
        trace.see(inner).alarm = True
    return Made(inner if isinstance(inner, Global | Carried) else maker, args)


def _nested(trace: Trace, maker: Global, args: Args) -> None:
    """Read into pickles that are unpickled by a pickle."""
    roots, trace.depth = len(trace.roots), trace.depth + 1
    for data in args:
        trace.nested += 1
        if not isinstance(data, bytes) or trace.nested > MAX_NESTED or trace.depth > MAX_DEPTH:
            trace.see(maker).alarm = True
            continue
        trace.follow_nested(data, trace)
        if trace.broken:
            trace.see(maker).alarm = True
    del trace.roots[roots:]
    trace.depth -= 1
    trace.broken = ""


PARTIAL = Global("functools", "partial")
CODE = Global("types", "CodeType")
METHOD = Global("types", "MethodType")
CLOUDPICKLE = ("cloudpickle.cloudpickle", "cloudpickle.cloudpickle_fast")

Special = Callable[[Trace, Global, Args], Value]

SPECIAL: dict[tuple[str, str], Special] = {
    ("builtins", "getattr"): _getattr,
    ("_codecs", "encode"): _encode,
    ("functools", "reduce"): _reduce,
    ("operator", "getitem"): _getitem,
    ("types", "CodeType"): _code,
    ("copyreg", "__newobj__"): _inner,
    ("copyreg", "__newobj_ex__"): _inner,
    ("copyreg", "_reconstructor"): _inner,
    ("torch._tensor", "_rebuild_from_type_v2"): _inner,
    ("torch._tensor", "_rebuild_from_type"): _inner,
    ("fastai.torch_core", "_fa_rebuild_tensor"): _inner,
    ("fastai.torch_core", "_rebuild_from_type"): _inner,
    **{
        (module, name): special
        for module in CLOUDPICKLE
        for name, special in {
            "_builtin_type": _builtin_type,
            "subimport": _module,
            "dynamic_subimport": _new_module,
            "_make_function": _function,
            "_make_skeleton_class": _class,
            "_make_skeleton_enum": _class,
        }.items()
    },
}
