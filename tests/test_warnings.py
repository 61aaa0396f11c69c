"""Which warnings fail a test: those of our own code, not those of installed packages."""

import warnings
from typing import Any

import pytest

WARN = compile("import warnings; warnings.warn('changed', FutureWarning)", "code.py", "exec")
"""Warns, attributed to the module in whose name it is executed."""


@pytest.mark.parametrize(
    "module", ["model", "model.photo", "ui.frame", "api.v1", "tests.photos", "__main__"]
)
def test_a_warning_of_our_own_code_is_an_error(module: str) -> None:
    with pytest.raises(FutureWarning, match="changed"):
        exec(WARN, {"__name__": module})


@pytest.mark.parametrize("module", ["torch.jit._script", "fastai.learner", "models", "apiclient"])
def test_a_warning_of_an_installed_package_is_no_error(module: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        exec(WARN, {"__name__": module})
    assert [str(warning.message) for warning in caught] == ["changed"]


def test_a_deprecated_call_in_our_own_code_is_an_error() -> None:
    """Packages attribute the warning to their caller."""

    def deprecated() -> None:
        warnings.warn("call another", DeprecationWarning, stacklevel=2)

    with pytest.raises(DeprecationWarning, match="call another"):
        deprecated()


@pytest.mark.filterwarnings("default::pytest.PytestWarning")
def test_a_file_that_is_left_open_is_noticed() -> None:
    """Its warning is raised in a destructor, where pytest finds it."""
    unraised = list[Any]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.unraisablehook", unraised.append)
        open(__file__, encoding="utf-8").read(1)  # noqa: PTH123, SIM115
    assert [hook.exc_type for hook in unraised] == [ResourceWarning]
