"""Hostile exports: each is refused with a sentence, and nothing in it is run or built."""

import pickle
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import Result

from model.errors import ExportRefused
from model.importing.inspect import inspect_export
from model.importing.inspect.container import open_export
from model.importing.inspect.inspection import inspect_file
from model.importing.inspect.network import read_network
from model.importing.inspect.weights import read_state_dict
from tests.model.command import run
from tests.model.importing.inspect.hostile import payloads
from tests.model.importing.inspect.hostile_reader import (
    container_files,
    network_files,
    pickle_files,
)
from tests.model.importing.inspect.pickles import assemble, glob, text, torch_zip
from tests.model.importing.memory import assert_peak_below
from tests.python import run_python

LEARNER = "\x80\x02 fastai.learner:Learner q\x000"

RUNS = {
    *(f"reduce-{protocol}" for protocol in range(6)),
    *"global-0 inst obj posix:system subprocess stack-global stack-global-memo".split(),
    *"stack-global-put stack-global-overwritten stack-global-dup stack-global-unicode".split(),
    *"stack-global-escaped stack-global-computed stack-global-list mark-and-pop".split(),
    *"getattr-of-import partial map reduce-function cloudpickle builtins:eval open".split(),
    *"loads loads-2 loads-twice base64 then-unknown-opcode then-nothing then-underflow".split(),
    *"then-bad-get then-short-text deep deep-lists long framed pathlib-touch".split(),
}
"""Bare pickles that Python itself would run, without torch and fastai."""


def attacks_on_reader(marker: Path) -> dict[str, bytes]:
    return {**network_files(marker), **pickle_files(marker), **container_files(marker)}


NAMES = sorted(payloads(Path("marker")))
READER_NAMES = sorted(attacks_on_reader(Path("marker")))


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "marker"


@pytest.fixture(scope="module")
def files(marker: Path) -> dict[str, bytes]:
    return {**payloads(marker), **attacks_on_reader(marker)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "export.pkl"


def doctor(path: Path, *words: str) -> Result:
    result = run("doctor", path, *words)
    assert "Traceback" not in result.output
    return result


def is_refused(path: Path) -> bool:
    try:
        return inspect_file(path).fatal
    except ExportRefused:
        return True


def test_number_of_payloads_is_pinned() -> None:
    assert (len(NAMES), len(READER_NAMES)) == (124, 133)
    assert set(NAMES) >= RUNS


def test_payloads_run_in_pythons_own_unpickler(files: dict[str, bytes], marker: Path) -> None:
    """In a separate process, Python's own unpickler runs their commands."""
    for name in sorted(RUNS):
        (marker.parent / f"{name}.pickle").write_bytes(files[name])
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
    paths = [marker.parent / f"{name}.pickle" for name in sorted(RUNS)]
    result = run_python("-c", code, marker, *paths, timeout=100)
    assert [line for line in result.stdout.splitlines() if line.endswith("False")] == []
    assert len(result.stdout.splitlines()) == len(RUNS)


@pytest.mark.parametrize("inside", [False, True], ids=["bare", "in-a-zip"])
@pytest.mark.parametrize("name", NAMES)
def test_hostile_file_is_refused_and_not_run(
    name: str, inside: bool, files: dict[str, bytes], marker: Path, path: Path
) -> None:
    path.write_bytes(torch_zip(files[name]) if inside else files[name])
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
@pytest.mark.parametrize("name", READER_NAMES)
def test_attack_on_reader_is_refused_and_not_built(
    name: str, files: dict[str, bytes], marker: Path, path: Path
) -> None:
    path.write_bytes(files[name])
    import fastai.vision.all  # noqa: F401 - no part of what a file takes

    with assert_peak_below(megabytes=100):
        assert is_refused(path)
        assert refusal(path)
    assert not marker.exists()


def test_doctor_runs_as_a_process(files: dict[str, bytes], marker: Path, path: Path) -> None:
    path.write_bytes(files["zip"])
    result = run_python("-m", "model", "doctor", "--names", path, check=False)
    assert (result.returncode, result.stderr) == (1, "")
    assert "os.system" in result.stdout
    assert not marker.exists()


@pytest.mark.parametrize(
    "name", ["evil\x1b[2J\x1b]0;title\x07\u202etxt\r\nexit 0\x9b31m", "[red]evil"]
)
def test_names_are_escaped_for_the_terminal(name: str, path: Path) -> None:
    path.write_bytes(torch_zip(b"\x80\x04" + text(f"mod{name}") + text(name) + b"\x93)R."))
    for words in (["--names"], ["--json"]):
        shown = doctor(path, *words).stdout
        assert not {"\x1b", "\x07", "\u202e", "\r", "\x9b"} & set(shown)
        assert "evil" in shown
        # Rich's markup is text as well.
        assert "[red]" not in name or name in shown


@pytest.mark.parametrize(
    ("data", "parts", "method", "megabytes"),
    [
        (b"N0" * 2**24 + b"N.", {}, zipfile.ZIP_DEFLATED, 32),
        (b"N.", {"data/0": bytes(2**22)}, zipfile.ZIP_DEFLATED, 4),
        (b"." + bytes(65 * 2**20), {}, zipfile.ZIP_STORED, 65),
    ],
    ids=["pickle", "weights", "unpacked"],
)
def test_zip_bomb_is_refused_unread(
    data: bytes, parts: dict[str, bytes], method: int, megabytes: int, path: Path
) -> None:
    path.write_bytes(torch_zip(data, parts, method))
    with pytest.raises(ExportRefused, match=f"unpacks to {megabytes} MB"):
        inspect_file(path)


def test_zip_of_countless_parts_is_refused(path: Path) -> None:
    path.write_bytes(torch_zip(b"N.", {f"data/{i}": b"" for i in range(50_001)}))
    with pytest.raises(ExportRefused, match="50,004 parts"):
        inspect_file(path)


@pytest.mark.parametrize(
    "data",
    [
        b"N0" * 600_000 + b"N.",
        b"]" * 1_100_000 + b"a" * 1_099_999 + b".",
        b"(" * 1_100_000,
        b"]" + b"2" * 1_100_000 + b".",
        b"".join(glob(f"m{i}", "n") + b"0" for i in range(25_000)) + b"N.",
        b"I" + b"9" * 2**24 + b"\n.",
        b"\x8a\xff" + b"\xff" * 255 + b".",
        (b"X" + (2**20).to_bytes(4, "little") + b"x" * 2**20) * 60 + b".",
        b"\x80\x02N" + b"\x85" * 10**6 + b"q\x000}h\x00Ns.",
    ],
    ids="opcodes nested marks copies globals number long texts tuple-as-key".split(),
)
def test_endless_pickle_ends_soon_with_a_refusal(data: bytes, path: Path) -> None:
    """Python hashes a tuple by recursion, which ends a process for want of stack."""
    path.write_bytes(torch_zip(data))
    assert doctor(path, "--json").exit_code in (1, 2)


@pytest.mark.parametrize(
    "data",
    [
        assemble(LEARNER + " Nq\x010") + b"h\x00h\x01\x85Rq\x010" * 50_000 + b"h\x01.",
        assemble(LEARNER + " Nq\x010") + b"h\x00)\x81h\x01bq\x010" * 50_000 + b"h\x01.",
        assemble("functools:partial q\x00 os:system q\x01")
        + b"h\x00h\x01\x85Rq\x01" * 20_000
        + b")R.",
    ],
    ids=["arguments", "states", "partials"],
)
def test_deep_nesting_does_not_exhaust_the_stack(data: bytes, path: Path) -> None:
    path.write_bytes(torch_zip(data))
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


def test_nested_pickles_are_named_and_not_unpickled(path: Path) -> None:
    data = pickle.dumps(1)
    for _ in range(30):
        size = len(data).to_bytes(4, "little")
        data = b"\x80\x03" + glob("pickle", "loads") + b"B" + size + data + b"\x85R."
    path.write_bytes(torch_zip(data))
    assert "pickle.loads" in inspect_file(path).names
