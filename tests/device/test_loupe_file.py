"""``.loupe`` files in JavaScript: Python's open, Python opens ours, hostile ones are refused."""

import base64
import hashlib
import re
import zipfile
from typing import Any

import numpy as np
import pytest

from model.teaching.loupe_file import draw, read_loupe
from model.text import CHARACTERS
from tests.device.node import require_inflate, run_node
from tests.model.teaching.hostile_loupe import HOSTILE, arrays, good
from tests.model.teaching.label_vectors import ALIKE, DIFFERENT, VECTORS, rule_of

READ = """
  const { readLoupe, writeLoupe } = await load("teach/loupe_file.mjs");
  const results = [];
  for (const base64 of given) {
    const file = new Blob([Buffer.from(base64, "base64")]);
    try {
      const taught = await readLoupe(file);
      const plain = Object.entries(taught.head).map(([name, array]) => [name, Array.from(array)]);
      const written = Buffer.from(await writeLoupe(taught).arrayBuffer()).toString("base64");
      results.push({ manifest: taught.manifest, head: Object.fromEntries(plain), written });
    } catch (error) {
      results.push({ code: error.code ?? error.name, message: error.message });
    }
  }
  return results;
"""


def read_in_javascript(*files: bytes) -> list[dict[str, Any]]:
    require_inflate()
    results: list[dict[str, Any]] = run_node(READ, [base64.b64encode(f).decode() for f in files])
    return results


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_file_of_python_opens_and_is_written_for_python(method: int) -> None:
    [result] = read_in_javascript(good(method))
    manifest, head = read_loupe(good(method))
    assert result["manifest"] == manifest.model_dump(mode="json")
    written = base64.b64decode(result["written"])
    again, same = read_loupe(written)
    for name, array in arrays().items():
        assert result["head"][name] == array.ravel().tolist()
        assert np.array_equal(getattr(same, name), getattr(head, name))
    assert again.labels == manifest.labels


@pytest.mark.slow
def test_labels_are_judged_as_in_python() -> None:
    script = """
      const { CHARACTERS, findConfusing, findNameFlaw, findTextFlaw } =
        await load("teach/loupe_file.mjs");
      const { createHash } = await import("node:crypto");
      const rule = (text) => (findTextFlaw(text) ? 0 : findNameFlaw(text) ? 1 : 2);
      const every = createHash("sha256");
      let missing = 0;
      for (let code = 0; code < 0x110000; code++) {
        const char = String.fromCodePoint(code);
        every.update(`${rule(`a${char}b`)}${rule(char)}`);
        if (/[\\p{DI}\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}]/u.test(char) && rule(char)) missing++;
      }
      const [labels, pairs] = given;
      return [CHARACTERS, labels.map(rule), pairs.map(findConfusing), every.digest("hex"), missing];
    """
    every = hashlib.sha256()
    for code in range(0x110000):
        every.update(f"{rule_of(f'a{chr(code)}b')}{rule_of(chr(code))}".encode())
    pairs = [*ALIKE, *DIFFERENT]
    assert run_node(script, [list(VECTORS), pairs]) == [
        CHARACTERS,
        list(VECTORS.values()),
        [list(pair) for pair in ALIKE] + [[]] * len(DIFFERENT),
        every.hexdigest(),
        0,
    ]


def test_hostile_files_are_refused_with_a_sentence() -> None:
    results = read_in_javascript(*(item.data for item in HOSTILE))
    wrong = {}
    for item, result in zip(HOSTILE, results, strict=True):
        message = result.get("message", "it opened")
        is_sentence = message.startswith("This .loupe file can't be used: ") and len(message) < 400
        is_refused = result.get("code") == "export-refused" and is_sentence
        if not is_refused or not re.search(item.mentions, message, re.IGNORECASE):
            wrong[item.name] = message
    assert not wrong


def test_text_opens_as_its_file_does_and_hostile_text_is_refused() -> None:
    """Some browsers share text where they refuse other files."""
    script = """
      const { fromText, readLoupe, toText } = await load("teach/loupe_file.mjs");
      const read = (text) => readLoupe(fromText(new Blob([text])));
      const file = new Blob([Buffer.from(given[0], "base64")]);
      const text = await toText(file);
      const taughts = await Promise.all([readLoupe(file), read(text.replaceAll("\\n", "\\r\\n"))]);
      const [a, b] = taughts.map((taught) => JSON.stringify(taught));
      const hostile = [text.slice(0, -10), `${text}<script>`, "\\0".repeat(9e6), "", "a\\nAA=A",
        `x\\n${given[1]}`, `x\\n${"A".repeat(4e6)}`];
      const refusals = await Promise.all(hostile.map((one) => read(one).then(() => "it opened",
        ({ code, message }) => `${code}: ${message}`)));
      return [a === b, refusals];
    """
    data = next(one.data for one in HOSTILE if one.data.startswith(b"PK"))
    files = [base64.b64encode(one).decode() for one in (good(), data)]
    is_same, refusals = run_node(script, files)
    assert is_same
    for refusal in refusals:
        assert refusal.startswith("export-refused: This .loupe file can't be used: "), refusal
    assert sum("isn't what Loupe sends" in refusal for refusal in refusals) == 4
    assert "its text is too long" in refusals[2]
    assert "it is larger than 2 MB" in refusals[-1]


def test_drawings_and_hashes_are_those_of_python() -> None:
    script = """
      const { draw } = await load("teach/teaching.mjs");
      const { sha256 } = await load("teach/safetensors.mjs");
      const pictures = [0, 1].map((number) => Array.from(draw(number, 37, 61)));
      return [pictures, given.map((text) => sha256(new TextEncoder().encode(text)))];
    """
    texts = ["x" * length for length in (0, 1, 55, 56, 63, 64, 65, 1000)] + ["猫" * 99]
    pictures, hashes = run_node(script, texts)
    assert np.array_equal(np.reshape(pictures, (2, 37, 61, 3)), draw(37, 61))
    assert hashes == [hashlib.sha256(text.encode()).hexdigest() for text in texts]
