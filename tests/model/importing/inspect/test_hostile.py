"""Files made to run a command: doctor names what they do, and runs none of it."""

import pickle
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from model.cli import main
from model.errors import ExportRefused
from model.importing.inspect import inspect_export
from model.importing.inspect.inspection import inspect_file
from model.settings import ROOT
from tests.model.importing.inspect.hostile import glob, payloads, text, torch_zip

NAMES = sorted(payloads(Path("marker")))

WEAK = {"bare-pickle", "no-learner"}
"""Problems that harmless files have, too."""

HARMLESS = {"torch-bytes", "two-pickles"}
"""Files whose command lies in bytes that are not even read."""

RUNS = {
    *(f"reduce-{protocol}" for protocol in range(6)),
    *"global-0 inst obj posix subprocess stack-global stack-global-memo".split(),
    *"stack-global-put stack-global-overwritten stack-global-dup stack-global-unicode".split(),
    *"stack-global-escaped stack-global-computed stack-global-list mark-and-pop".split(),
    *"getattr-of-import partial map reduce-function cloudpickle eval open".split(),
    *"loads loads-2 loads-twice base64 then-unknown-opcode then-nothing then-underflow".split(),
    *"then-bad-get then-short-text deep deep-lists long framed pathlib-touch".split(),
}
"""Bare pickles that Python itself would run, without torch and fastai."""


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "marker"


@pytest.fixture(scope="module")
def files(marker: Path) -> dict[str, bytes]:
    return payloads(marker)


def doctor(path: Path, *words: str) -> Result:
    result = CliRunner().invoke(main, ["doctor", str(path), *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def test_payloads_are_many() -> None:
    assert len(NAMES) >= 100
    assert set(NAMES) >= RUNS


def test_payloads_run_in_pythons_own_unpickler(files: dict[str, bytes], marker: Path) -> None:
    """Python's own unpickler, in a process of its own, does what they are made for."""
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
    paths = [str(marker.parent / f"{name}.pickle") for name in sorted(RUNS)]
    result = subprocess.run(
        [sys.executable, "-c", code, str(marker), *paths],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert [line for line in result.stdout.splitlines() if line.endswith("False")] == []
    assert len(result.stdout.splitlines()) == len(RUNS)


@pytest.mark.parametrize("inside", [False, True], ids=["bare", "in-a-zip"])
@pytest.mark.parametrize("name", NAMES)
def test_hostile_file_is_refused_and_not_run(
    name: str, inside: bool, files: dict[str, bytes], marker: Path, tmp_path: Path
) -> None:
    path = tmp_path / "export.pkl"
    path.write_bytes(torch_zip(files[name]) if inside else files[name])
    try:
        report = inspect_file(path)
    except ExportRefused:
        return
    finally:
        assert not marker.exists()
    codes = {problem.code for problem in report.problems if problem.fatal}
    # Refused for what it does, not only for being no learner.
    assert codes - WEAK or (name in HARMLESS and codes)
    for one in report.names:
        if one.group == "dangerous":
            assert any(
                one.full in problem.message or "more" in problem.message
                for problem in report.problems
            )


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("reduce-2", "posix.system"),
        ("global-0", "os.system"),
        ("inst", "os.system"),
        ("stack-global-memo", "os.system"),
        ("stack-global-escaped", "os.system"),
        ("after-unknown-name", "os.system"),
        ("then-unknown-opcode", "os.system"),
        ("persistent-module", "os.system"),
        ("loads-twice", "pickle.loads"),
        ("python-2-commands", "subprocess.getoutput"),
        ("eval-python-2", "builtins.eval"),
        ("getattr", "fastai.imports.os.system"),
        ("partial", "os.system"),
        ("map", "builtins.map"),
        ("numpy-reconstruct", "os.system"),
        ("build-class", "os.system"),
        ("legacy-0", "os.system"),
        ("legacy-4", "os.system"),
        ("zip-two-data", "os.system"),
        ("zip-behind-pickle", "os.system"),
        ("torch-hub", "torch.hub.load"),
        ("runpy", "runpy.run_path"),
        ("cloudpickle", "system"),
    ],
)
def test_what_is_dangerous_is_named(
    name: str, named: str, files: dict[str, bytes], marker: Path, tmp_path: Path
) -> None:
    path = tmp_path / "export.pkl"
    path.write_bytes(files[name])
    report = inspect_file(path)
    assert report.fatal
    messages = " ".join(problem.message for problem in report.problems)
    assert named in messages + " ".join(name.full for name in report.names)
    assert "do not load it" in messages.lower()
    assert not marker.exists()


def test_doctor_as_a_process(files: dict[str, bytes], marker: Path, tmp_path: Path) -> None:
    path = tmp_path / "zip.pkl"
    path.write_bytes(files["zip"])
    result = subprocess.run(
        [sys.executable, "-m", "model", "doctor", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (result.returncode, result.stderr) == (1, "")
    assert ".system" in result.stdout
    assert "do not load it" in " ".join(result.stdout.lower().split())
    assert not marker.exists()


@pytest.mark.parametrize(
    "name", ["evil\x1b[2J\x1b]0;title\x07\u202etxt\r\nexit 0\x9b31m", "[red]evil"]
)
def test_names_do_not_reach_the_terminal_as_they_are(name: str, tmp_path: Path) -> None:
    path = tmp_path / "export.pkl"
    path.write_bytes(b"\x80\x04" + text(f"mod{name}") + text(name) + b"\x93)R.")
    for words in ([], ["--json"]):
        shown = doctor(path, *words).stdout
        assert not {"\x1b", "\x07", "\u202e", "\r", "\x9b"} & set(shown)
        assert "evil" in shown
        # Rich's markup is text, too.
        assert "[red]" not in name or name in shown


def test_a_zip_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pkl"
    path.write_bytes(torch_zip(b"N0" * 2**24 + b"N.", method=zipfile.ZIP_DEFLATED))
    with pytest.raises(ExportRefused, match="unpacks to 32 MB"):
        inspect_file(path)
    path.write_bytes(torch_zip(b"N.", {"data/0": bytes(2**22)}, zipfile.ZIP_DEFLATED))
    with pytest.raises(ExportRefused, match="unpacks to 4 MB"):
        inspect_file(path)
    path.write_bytes(torch_zip(b"." + bytes(65 * 2**20)))
    with pytest.raises(ExportRefused, match="unpacks to 65 MB"):
        inspect_file(path)


def test_a_zip_of_countless_parts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "parts.pkl"
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
    ],
    ids=["opcodes", "nested", "marks", "copies", "globals", "number", "long", "texts"],
)
def test_endless_pickles_end_soon_and_small(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "long.pkl"
    path.write_bytes(glob("os", "system") + text("true") + b"\x85R0" + data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = doctor(path, "--json")
    # Also a refusal names what was found until there.
    assert "os.system" in result.stdout
    assert result.exit_code in (1, 2)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 600 * 1024  # kilobytes


def test_deep_nesting_does_not_exhaust_the_stack(tmp_path: Path) -> None:
    path = tmp_path / "nested.pkl"
    start = b"\x80\x02" + glob("fastai.learner", "Learner") + b"q\x000Nq\x010"
    # In the arguments, then in the state.
    for step in (b"h\x00h\x01\x85Rq\x010", b"h\x00)\x81h\x01bq\x010"):
        path.write_bytes(start + glob("os", "system") + b"0" + step * 50_000 + b"h\x01.")
        result = doctor(path, "--json")
        assert result.exit_code == 1
        assert "os.system" in result.stdout


def test_crash_of_the_reader_is_a_refusal(tmp_path: Path) -> None:
    """Python hashes a tuple by recursion, which ends a process for want of stack."""
    path = tmp_path / "key.pkl"
    path.write_bytes(torch_zip(b"\x80\x02N" + b"\x85" * 10**6 + b"q\x000}h\x00Ns."))
    assert doctor(path).exit_code in (1, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="computing time is limited by Linux")
def test_reading_that_takes_too_long_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.importing.inspect.CPU_SECONDS", 1)
    path = tmp_path / "slow.pkl"
    start = b"\x80\x02" + glob("fastai.learner", "Learner") + b"q\x000"
    path.write_bytes(torch_zip(start + b"h\x00)R0" * (12 * 10**6) + b"N."))
    with pytest.raises(ExportRefused, match="more than 1 seconds of computing"):
        inspect_export(path)


def test_storage_larger_than_any_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "size.pkl"
    storage = b"(" + text("storage") + glob("torch", "FloatStorage") + text("7") + text("cpu")
    path.write_bytes(torch_zip(b"\x80\x02" + storage + pickle.dumps(10**400, 2)[2:-1] + b"tQ."))
    result = doctor(path)
    assert result.exit_code == 1
    assert "more numbers than any file holds" in " ".join(result.stdout.split())


def test_a_partial_in_a_partial_does_not_exhaust_the_stack(tmp_path: Path) -> None:
    path = tmp_path / "partial.pkl"
    start, step = glob("functools", "partial") + b"q\x00", b"h\x00" + b"h\x01\x85Rq\x01"
    path.write_bytes(start + glob("os", "system") + b"q\x01" + step * 20_000 + b")R.")
    assert inspect_file(path).fatal


def test_pickles_in_pickles_in_pickles_end(tmp_path: Path) -> None:
    data = pickle.dumps(1)
    for _ in range(30):
        size = len(data).to_bytes(4, "little")
        data = b"\x80\x03" + glob("pickle", "loads") + b"B" + size + data + b"\x85R."
    path = tmp_path / "nested.pkl"
    path.write_bytes(data)
    assert "pickle.loads" in {name.full for name in inspect_file(path).names}
