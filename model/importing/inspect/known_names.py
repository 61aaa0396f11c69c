"""The lists that names are looked up in: what exports need, and what attacks use."""

from collections.abc import Mapping

from .report import Group

__all__ = [
    "ATTACKS",
    "ATTACK_NAMES",
    "CALLED",
    "CODE_RUNNERS",
    "LIBRARIES",
    "MODULES",
    "NAMES",
    "SAFE_METHODS",
    "STORAGES",
    "UNSAFE_PARTS",
]

MODULES: Mapping[Group, str] = {
    "fastai": r"fastai\.(learner|layers|losses|metrics|optimizer|torch_core|collab|interpret"
    r"|data\.(core|load|transforms|block)|vision\.(core|augment|data|learner|gan|models(\.\w+)*)"
    r"|callback\.\w+|tabular\.\w+|text\.(\w+)(\.\w+)*|medical\.imaging|basic_train|basic_data"
    r"|vision\.(transform|image|gan)|data_block|layers|callbacks?(\.\w+)*|train|core)",
    "fastcore": r"fastcore\.(foundation|basics|transform"
    r"|dispatch|meta)|fasttransform\.\w+|plum\.\w+",
    "torch": r"torch\.(nn(\.\w+)*|_utils|_tensor|tensor"
    r"|functional|optim(\.\w+)*|utils\.(data(\.\w+)*|hooks)"
    r"|distributions(\.\w+)*|amp(\.\w+)*|cuda\.amp(\.\w+)*|torch_version|storage|_C\._nn)",
    "torchvision": r"torchvision\.(models|ops|transforms)(\.\w+)*",
    "timm": r"timm\.(models|layers|data)(\.\w+)*",
    "numpy": r"numpy\.random(\.\w+)*",
    "pandas": r"pandas\.(core\.(frame|series|generic"
    r"|indexes(\.\w+)*|internals(\.\w+)*|arrays(\.\w+)*"
    r"|dtypes(\.\w+)*|indexing)|_libs\.(internals|arrays|tslibs(\.\w+)*))",
    "pathlib": r"pathlib(\._local)?",
    "packages": r"sklearn\.metrics(\.\w+)*|scipy\.stats(\.\w+)*|fastprogress(\.\w+)*"
    r"|spacy(\.(?!cli|ml)\w+)+",
}
"""Modules whose own classes and functions exports refer to."""

NAMES: Mapping[Group, Mapping[str, str]] = {
    "fastai": {"fastai.imports": "noop noops"},
    "fastcore": {"fastcore.imports": "noop noops", "fastcore.utils": "fastuple"},
    "torch": {
        "torch": "Tensor Size device dtype Generator float32 float16 float64 bfloat16 int64 int32 "
        "int16 int8 uint8 bool strided relu sigmoid tanh softmax log_softmax nn cat flatten "
        "preserve_format contiguous_format channels_last sigmoid_ relu_ erf sin cos float double "
        "half long int short",
        "torch.serialization": "_get_layout",
        "torch._C": "_nn",
    },
    "numpy": {
        "numpy": "dtype ndarray float64 float32 float16 int64 int32 int16 int8 uint8 bool_ str_ "
        "argmax argmin mean random less greater",
        "numpy.core.multiarray": "_reconstruct scalar",
        "numpy._core.multiarray": "_reconstruct scalar",
        "numpy.core.numeric": "_frombuffer",
        "numpy._core.numeric": "_frombuffer",
        "numpy.dtypes": "StringDType",
    },
    "pandas": {
        "pandas": "DataFrame Series Index RangeIndex Timestamp StringDtype CategoricalDtype",
        "pandas.arrays": "ArrowStringArray StringArray",
    },
    "packages": {"PIL.Image": "Image Resampling Transpose Transform"},
    "builtins": {
        "builtins": "set frozenset list tuple dict int float complex "
        "str bytes bytearray bool slice "
        "range object type print getattr isinstance issubclass len sum min max abs round sorted "
        "zip map filter any all enumerate reversed divmod pow repr id hash iter next callable "
        "hasattr chr ord property staticmethod classmethod super Ellipsis NotImplemented "
        "Exception ValueError TypeError KeyError IndexError AttributeError RuntimeError "
        "StopIteration NotImplementedError ImportError OSError FileNotFoundError"
    },
    "python": {
        "collections": "OrderedDict defaultdict Counter deque "
        "namedtuple ChainMap UserDict UserList",
        "collections.abc": "Callable Iterable Mapping Sequence _CallableGenericAlias",
        "inspect": "Signature Parameter _ParameterKind _empty",
        "functools": "partial reduce lru_cache wraps cmp_to_key partialmethod",
        "operator": "or_ and_ add sub mul itemgetter eq ne lt le gt ge neg not_ truediv "
        "contains getitem",
        "typing": "Any Union Optional Callable Iterable List Dict "
        "Tuple Literal Sequence Type TypeVar",
        "types": "SimpleNamespace NoneType GenericAlias UnionType MappingProxyType",
        "random": "Random choice randint random uniform shuffle",
        "re": "_compile compile",
        "_codecs": "encode",
        "copyreg": "_reconstructor __newobj__ __newobj_ex__",
        "datetime": "datetime date time timedelta timezone",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "uuid": "UUID SafeUUID",
        "enum": "Enum IntEnum Flag IntFlag EnumMeta EnumType StrEnum auto",
        "abc": "ABC ABCMeta",
        "math": "sqrt log exp ceil floor sin cos tan pi log2 log10",
        "itertools": "chain repeat count islice product cycle",
        "string": "Template Formatter",
        "logging": "getLogger Logger",
        "weakref": "WeakSet WeakKeyDictionary WeakValueDictionary ref",
        "dataclasses": "Field _MISSING_TYPE field",
        "numbers": "Number Integral Real",
        "time": "time perf_counter sleep",
        "posixpath": "basename dirname splitext join split",
        "ntpath": "basename dirname splitext join split",
    },
    "cloudpickle": dict.fromkeys(
        ("cloudpickle.cloudpickle", "cloudpickle.cloudpickle_fast"),
        "_builtin_type _function_setstate _make_function subimport _class_setstate "
        "_make_cell _make_empty_cell _make_skeleton_class _make_skeleton_enum dynamic_subimport "
        "_make_typevar _make_dict_keys _make_dict_values _make_dict_items _empty_cell_value "
        "_get_dataclass_field_type_sentinel _gen_ellipsis _gen_not_implemented instance",
    ),
}
"""Names of modules that hold much else."""

LIBRARIES: Mapping[str, Group] = {
    "fastai": "fastai",
    "fastcore": "fastcore",
    "fasttransform": "fastcore",
    "plum": "fastcore",
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "numpy": "numpy",
    "pandas": "pandas",
    "PIL": "packages",
    "sklearn": "packages",
    "scipy": "packages",
    "fastprogress": "packages",
    "spacy": "packages",
}
"""Libraries that exports use; no export calls their functions, but those listed below."""

CALLED = {
    "torch._utils": r"_rebuild_\w+",
    "torch._tensor": r"_rebuild_from_type(_v2)?",
    "torch.serialization": "_get_layout",
    "torch": "device|dtype",
    "fastai.torch_core": r"_fa_rebuild_q?tensor|_rebuild_from_type",
    "fastcore.basics": "fastuple|partialler",
    "fastcore.foundation": "L",
    "fastcore.utils": "fastuple",
    "numpy": "dtype|ndarray|float64|int64|str_|bool_",
    "numpy.core.multiarray": "_reconstruct|scalar",
    "numpy._core.multiarray": "_reconstruct|scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "numpy.random._pickle": r"__\w+_ctor",
    "pandas.core.indexes.base": "_new_Index",
    "pandas.core.internals.blocks": "new_block",
    "pandas._libs.internals": "_unpickle_block",
    "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
    "builtins": "set|frozenset|list|tuple|dict|int|float|complex"
    "|str|bytes|bytearray|bool|slice|range"
    "|object|type|getattr|property|staticmethod|classmethod|super",
    "collections": "defaultdict|deque",
    "inspect": "_ParameterKind|_empty",
    "functools": "partial|reduce",
    "operator": "itemgetter|getitem",
    "re": "_compile|compile",
    "torch.storage": "_load_from_bytes",
    "spacy.vocab": "unpickle_vocab",
    "spacy.vectors": "unpickle_vectors",
    "spacy.morphology": "unpickle_morphology",
    "spacy.tokenizer": "unpickle_tokenizer",
    "spacy.strings": "unpickle_strings",
    "_codecs": "encode",
    "copyreg": "_reconstructor|__newobj__|__newobj_ex__",
    "datetime": "datetime|date|time|timedelta|timezone",
    "logging": "getLogger",
    "enum": "auto",
}
"""Lower-case names that exports call on loading; beside these, only classes."""

ATTACKS = set(
    """
    os posix nt posixpath ntpath subprocess runpy socket importlib imp webbrowser pty shutil
    ctypes _ctypes code codeop pickle _pickle marshal shelve sys bdb pdb trace timeit cProfile
    profile doctest pydoc multiprocessing threading _thread signal http urllib ftplib smtplib
    xmlrpc ssl tempfile zipimport pkgutil io _io gc inspect builtins operator types functools
    copyreg pip setuptools distutils pkg_resources _pytest pytest IPython joblib dill fabric
    paramiko requests cloudpickle nbformat nbclient jupyter_client ipykernel asyncio
    antigravity this site fsspec test.support idlelib psutil pexpect
    plumbum invoke dask ray tornado anyio torch.hub torch.jit torch.package torch.serialization
    torch._inductor torch._dynamo torch.multiprocessing torch.distributed
    torch.utils.cpp_extension torch.utils.collect_env torch.utils.bottleneck torch.ops
    torch.classes torch.library torch.fx torch.storage numpy.f2py numpy.testing
    numpy.distutils numpy.lib numpy.ctypeslib pandas.io pandas.core.computation fastcore.xtras
    fastcore.script fastcore.net fastcore.parallel fastcore.imports fastcore.shutil
    fastcore.tools fastcore.nbio fastcore.test fastai.data.external fastai.imports
    timm.models._hub timm.models.hub timm.models._helpers
    """.split()
)
"""Modules with functions that start programs, fetch or load code, or reach others by name."""

ATTACK_NAMES = {
    "torch": "load compile hub package jit serialization",
    "numpy": "load fromfile memmap savetxt save f2py testing",
    "pandas": "eval read_pickle read_csv read_html",
    "fastai.learner": "load_learner load_model save_model",
    "fastai.torch_core": "apply",
    "fastcore.basics": "exec_new exec_local exec_import exec_eval patch patch_to Self maps "
    "compose mapped ignore_exceptions try_attrs getattrs",
    "fastcore.foundation": "Config patch_to",
    "torch.storage": "_new_with_file",
    "timm.models": "hub load_checkpoint",
}

CODE_RUNNERS = set(
    """
    subprocess runpy socket webbrowser pty ctypes _ctypes code codeop pickle _pickle marshal
    importlib pip antigravity multiprocessing posix nt _posixsubprocess http ftplib smtplib
    telnetlib xmlrpc zipimport pdb bdb
    """.split()
)
"""Modules that no label function and no network needs."""

SAFE_METHODS = set(
    "__new__ __init__ __call__ __repr__ __str__ __format__ __hash__ __eq__ __dir__".split()
)
"""Private names that own classes take over from others; they lead nowhere else."""

UNSAFE_PARTS = {"os", "sys", "subprocess", "shutil", "importlib", "builtins", "pickle", "hub"}
"""Parts of a longer name that lead out of the module that it begins in."""

STORAGES = ("TypedStorage", "UntypedStorage", "_load_from_bytes")
"""The last one unpickles: what it is given is read as well, or it is said."""
