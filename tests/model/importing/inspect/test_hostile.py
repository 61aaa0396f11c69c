"""Hostile exports: each is refused with a sentence, and nothing in it is run or built."""

import json
import os
import pickle
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import ExportRefused
from model.importing.inspect import inspect_export
from model.importing.inspect.container import open_export
from model.importing.inspect.inspection import inspect_file
from model.importing.inspect.network import LeftOut, read_network
from model.importing.inspect.weights import read_state_dict
from tests.memory import assert_peak_below, limited_memory
from tests.model.command import run
from tests.model.importing.inspect import attacks, reader_attacks
from tests.model.importing.inspect.pickles import assemble, glob, text, torch_zip
from tests.python import run_python

LEARNER = "\x80\x02 fastai.learner:Learner q\x000"
READERS = reader_attacks.networks, reader_attacks.objects, reader_attacks.containers


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "marker"


@pytest.fixture(scope="module")
def calls(marker: Path) -> dict[str, bytes]:
    return attacks.calls(marker)


@pytest.fixture(scope="module")
def on_reader(marker: Path) -> dict[str, bytes]:
    return {name: data for files in READERS for name, data in files(marker).items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "export.pkl"


def is_refused(path: Path) -> bool:
    try:
        return inspect_file(path).fatal
    except ExportRefused:
        return True


def test_attacks_succeed_in_pythons_own_unpickler(marker: Path) -> None:
    """In a separate process, Python's own unpickler runs their commands."""
    files = attacks.runs(marker)
    for name, data in files.items():
        (marker.parent / f"{name}.pickle").write_bytes(data)
    code = (
        "import contextlib, pickle, sys, time\n"
        "from pathlib import Path\n"
        "marker = Path(sys.argv[1])\n"
        "for path in map(Path, sys.argv[2:]):\n"
        "    with contextlib.suppress(Exception): pickle.loads(path.read_bytes())\n"
        "    for _ in range(100):\n"
        "        if marker.exists(): break\n"
        "        time.sleep(0.02)\n"
        "    print(path.stem, marker.exists())\n"
        "    marker.unlink(missing_ok=True)\n"
    )
    paths = sorted(marker.parent.glob("*.pickle"))
    result = run_python("-c", code, marker, *paths, timeout=100)
    assert result.stdout.splitlines() == [f"{path.stem} True" for path in paths]
    assert len(paths) > 20


@pytest.mark.parametrize("inside", [False, True], ids=["bare", "in-a-zip"])
@pytest.mark.parametrize("name", attacks.calls(Path("marker")))
def test_call_is_refused_and_not_run(
    name: str, inside: bool, calls: dict[str, bytes], marker: Path, path: Path
) -> None:
    path.write_bytes(torch_zip(calls[name]) if inside else calls[name])
    assert is_refused(path)
    assert not marker.exists()


def refusal(path: Path) -> str:
    """Return the sentence that stops an import: the reader's, the network's or the builder's."""
    from model.importing.convert.network_builder import CannotBuild, Weights, build_network

    try:
        with open_export(path) as export:
            if export.damage:
                return export.damage
            weights = Weights(export.read_storage)
            if state := read_state_dict(export.root):
                for tensor in state.tensors.values():
                    weights.tensor(tensor)
            network = read_network(export.root)
            if network.own:
                return f"needs --trust for {network.own[0].full}"
            build_network(network, weights)
    except (ExportRefused, CannotBuild) as error:
        return str(error)
    return ""


@pytest.mark.torch
@pytest.mark.parametrize("name", [name for files in READERS for name in files(Path("marker"))])
def test_attack_on_reader_is_refused_and_not_built(
    name: str, on_reader: dict[str, bytes], marker: Path, path: Path
) -> None:
    path.write_bytes(on_reader[name])
    import fastai.vision.all  # noqa: F401 - no part of what a file takes

    with assert_peak_below(megabytes=100):
        assert is_refused(path)
        sentence = refusal(path)
    assert sentence
    assert reader_attacks.REASONS.get(name, "") in sentence
    assert not marker.exists()


@pytest.mark.torch
def test_harmless_attributes_are_left_out(path: Path) -> None:
    import torch

    network: Any = torch.nn.Linear(3, 2)
    network.notes, network.__call__ = {"a": [1, 2.5, None]}, os.system
    network.helper = os.system
    hooked_only_backwards = network.register_full_backward_hook(print)
    torch.save(network, path)
    hooked_only_backwards.remove()
    with open_export(path) as export:
        layer = read_network(export.root).root
    assert layer.attributes["notes"] == {"a": [1, 2.5, None]}
    assert isinstance(layer.attributes["helper"], LeftOut)
    assert not {"__call__", "_backward_hooks"} & set(layer.attributes)


TABLES = attacks.RUN_BY_PYTHON, attacks.OTHER_CALLS, reader_attacks.OBJECTS
WORDS = {word for table in TABLES for row in table.values() for word in row.rstrip(".").split(" ")}
WORDS.remove("{storage}")


@given(st.lists(st.sampled_from(sorted(WORDS)), max_size=25))
def test_any_order_of_instructions_is_read_without_calling_anything(
    marker: Path, path: Path, words: list[str]
) -> None:
    arguments = {"sh": f"touch {marker}", "py": "", "marker": str(marker)}
    path.write_bytes(torch_zip(assemble(" ".join(["\x80\x02", *words, "."]), **arguments)))
    with limited_memory(2**31), suppress(ExportRefused):
        json.loads(inspect_file(path).to_json())
    assert not marker.exists()


def test_doctor_runs_as_a_process(calls: dict[str, bytes], marker: Path, path: Path) -> None:
    path.write_bytes(calls["zip"])
    result = run_python("-m", "model", "doctor", "--json", path, check=False)
    assert (result.returncode, result.stderr) == (1, "")
    assert "posix.system" in result.stdout
    assert not marker.exists()


@pytest.mark.parametrize(
    "name", ["evil\x1b[2J\x1b]0;title\x07\u202etxt\r\nexit 0\x9b31m", "[red]evil"]
)
def test_names_are_escaped_for_the_terminal(name: str, path: Path) -> None:
    path.write_bytes(torch_zip(b"\x80\x04" + text(f"mod{name}") + text(name) + b"\x93)R."))
    for words in ([], ["--json"]):
        shown = run("doctor", path, *words).stdout
        assert not {"\x1b", "\x07", "\u202e", "\r", "\x9b"} & set(shown)
        assert "evil" in shown
        # Rich's markup is text as well.
        assert "[red]" not in name or name in shown


BOMBS = {
    "pickle": (b"N0" * 2**24 + b"N.", {}, zipfile.ZIP_DEFLATED, "unpacks to 32 MB"),
    "weights": (b"N.", {"data/0": bytes(2**22)}, zipfile.ZIP_DEFLATED, "unpacks to 4 MB"),
    "unpacked": (b"." + bytes(65 * 2**20), {}, zipfile.ZIP_STORED, "unpacks to 65 MB"),
    "parts": (b"N.", {f"data/{i}": b"" for i in range(50_001)}, zipfile.ZIP_STORED, "50,004 parts"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_zip_bomb_is_refused_unread(name: str, path: Path) -> None:
    data, parts, method, sentence = BOMBS[name]
    path.write_bytes(torch_zip(data, parts, method))
    with pytest.raises(ExportRefused, match=sentence):
        inspect_file(path)


ENDLESS = {
    "opcodes": b"N0" * 600_000 + b"N.",
    "nested": b"]" * 1_100_000 + b"a" * 1_099_999 + b".",
    "marks": b"(" * 1_100_000,
    "copies": b"]" + b"2" * 1_100_000 + b".",
    "globals": b"".join(glob(f"m{i}", "n") + b"0" for i in range(25_000)) + b"N.",
    "number": b"I" + b"9" * 2**24 + b"\n.",
    "long": b"\x8a\xff" + b"\xff" * 255 + b".",
    "texts": (b"X" + (2**20).to_bytes(4, "little") + b"x" * 2**20) * 60 + b".",
    # Python hashes a tuple by recursion, which ends a process for want of stack.
    "tuple-as-key": b"\x80\x02N" + b"\x85" * 10**6 + b"q\x000}h\x00Ns.",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_pickle_ends_soon_with_a_refusal(name: str, path: Path) -> None:
    path.write_bytes(torch_zip(ENDLESS[name]))
    assert run("doctor", path, "--json").exit_code in (1, 2)


DEEP = {
    "arguments": (LEARNER + " Nq\x010", b"h\x00h\x01\x85Rq\x010" * 50_000 + b"h\x01."),
    "states": (LEARNER + " Nq\x010", b"h\x00)\x81h\x01bq\x010" * 50_000 + b"h\x01."),
    "partials": (
        "functools:partial q\x00 os:system q\x01",
        b"h\x00h\x01\x85Rq\x01" * 20_000 + b")R.",
    ),
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_nesting_does_not_exhaust_the_stack(name: str, path: Path) -> None:
    words, more = DEEP[name]
    path.write_bytes(torch_zip(assemble(words) + more))
    assert inspect_file(path).fatal


@pytest.mark.skipif(sys.platform != "linux", reason="computing time is limited by Linux")
def test_reading_that_takes_too_long_is_stopped(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.importing.inspect.CPU_SECONDS", 1)
    path.write_bytes(torch_zip(assemble(LEARNER) + b"h\x00)R0" * (12 * 10**6) + b"N."))
    with pytest.raises(ExportRefused, match="stopped after 1 s of CPU time"):
        inspect_export(path)


def test_storage_larger_than_any_file_is_refused(path: Path) -> None:
    size = pickle.dumps(10**400, 2)[2:-1]
    storage = assemble("\x80\x02( 'storage torch:FloatStorage '7 'cpu") + size + b"tQ."
    path.write_bytes(torch_zip(storage))
    (finding, *_) = inspect_file(path).problems
    assert "more numbers than any file holds" in finding.message


def test_memo_of_many_gigabytes_is_refused(path: Path) -> None:
    # LONG_BINPUT: the unpickler's memo grows to twice this index.
    path.write_bytes(torch_zip(b"\x80\x04Nr\xff\xff\xff\xff."))
    with limited_memory(2**31), pytest.raises(ExportRefused, match="more memory than any export"):
        inspect_file(path)
