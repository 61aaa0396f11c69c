"""Public names: JSON keys and settings, so that a rename cannot leak."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.testclient import TestClient

from api.app import routes
from model import Bundle, load
from model.bundle import Manifest, SmallCard
from model.engine_info import ENGINES, SERVER_ENGINES
from model.settings import Settings
from tests.model.tiny import colour

MANIFEST = """
    format name title description language labels multilabel threshold licence engines metrics
    confidence card made files
    recipe.resize recipe.method recipe.padding recipe.interpolation recipe.crop recipe.inside
    recipe.decoding recipe.greyscale
    architecture.library architecture.body architecture.head architecture.features
    architecture.parameters architecture.mean architecture.std
    data.title data.source data.licence data.photos
    metrics.name metrics.value metrics.low metrics.high metrics.photos metrics.on metrics.by
    metrics.unit
    confidence.temperature confidence.plausible confidence.novelty confidence.score
    confidence.estimated confidence.target_id_accept_rate
    confidence.plausible.coverage confidence.plausible.floors
    card.on card.photos card.folds card.confusion card.reliability card.before card.mistakes
    card.scores card.strangers card.command card.seed card.notes
    card.reliability.confidence card.reliability.accuracy card.reliability.photos
    card.before.confidence card.before.accuracy card.before.photos
    card.mistakes.photo card.mistakes.label card.mistakes.said card.mistakes.probability
    card.scores.name card.scores.auroc card.scores.let_in card.scores.bytes card.scores.kept
    card.strangers.name card.strangers.photos card.strangers.auroc card.strangers.let_in
    card.strangers.low card.strangers.high
    files.bytes files.sha256
    recipe architecture data
"""

SMALL_CARD = """
    format version graph metrics full_metrics confidence card agreement
    agreement.name agreement.photos agreement.top_label agreement.known
"""

PREDICTION = """
    photo model version engine answer candidates known novelty plausible milliseconds
    candidates.label candidates.probability
    milliseconds.decode milliseconds.preprocess milliseconds.engine milliseconds.total
"""

SETTINGS = """
    data database corrections_max corrections_mb corrections_per_minute secret model engine threads
    memory_mb queue deadline batch cors downloads npm metrics log sagemaker builtin hosts
    bundles title description url run recent api store owner_key photos
"""


def words(text: str) -> set[str]:
    return set(text.split())


def keys(value: object, prefix: str = "") -> Iterator[str]:
    """Yield the keys of JSON data, dotted; items of a list share theirs."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            for key, inner in item.items():
                yield prefix + key
                yield from keys(inner, f"{prefix}{key}.")


def schema_keys(model: type[BaseModel]) -> set[str]:
    """Return the keys that a model reads and writes, dotted."""
    schema = model.model_json_schema(mode="serialization")
    assert schema == {**schema, **model.model_json_schema(mode="serialization", by_alias=True)}

    def walk(node: Any, prefix: str) -> Iterator[str]:
        if not isinstance(node, dict):
            return
        if "$ref" in node:
            yield from walk(schema["$defs"][node["$ref"].split("/")[-1]], prefix)
        for key, inner in node.get("properties", {}).items():
            yield prefix + key
            yield from walk(inner, f"{prefix}{key}.")
        for inner in (*node.get("anyOf", ()), node.get("items"), node.get("additionalProperties")):
            yield from walk(inner, prefix)
        for inner in node.get("patternProperties", {}).values():
            yield from walk(inner, prefix)

    return set(walk(schema, ""))


def test_manifest_and_card_keep_their_keys() -> None:
    assert schema_keys(Manifest) == words(MANIFEST)


def test_small_card_keeps_its_keys() -> None:
    shared = ("metrics", "confidence", "card")
    inherited = {key for key in words(MANIFEST) if key.split(".")[0] in shared}
    full = {key.replace("metrics", "full_metrics") for key in inherited if "metrics" in key}
    assert schema_keys(SmallCard) == inherited | full | words(SMALL_CARD)


def test_prediction_keeps_its_keys(calibrated_bundle: Bundle) -> None:
    prediction = load("calibrated").identify(colour("red"))
    assert set(keys(prediction.to_dict("red.png"))) == words(PREDICTION)
    shared = replace(prediction, milliseconds=None)
    assert set(shared.to_dict("red.png")) == {key for key in words(PREDICTION) if "." not in key}


def test_api_keeps_the_keys_of_a_model(calibrated_bundle: Bundle) -> None:
    with TestClient(Starlette(routes=routes())) as client:
        listed = client.get("/api/v1/models").json()["models"]
        model = client.get("/api/v1/models/calibrated").json()
    assert {key for item in listed for key in item} == words(
        "name title description version labels engines calibrated default"
    )
    assert set(model) == words("version engines default files manifest")
    assert {key for file in model["files"].values() for key in file} == words("url bytes sha256")
    top_level = {key for key in words(MANIFEST) if "." not in key}
    assert set(model["manifest"]) == top_level - {"files"}


def test_settings_keep_their_names() -> None:
    assert set(Settings.model_fields) == words(SETTINGS)
    assert Settings.model_config["env_prefix"] == "LOUPE_"


def test_engines_keep_their_names_and_letters() -> None:
    assert SERVER_ENGINES == ("compiled", "learner")
    assert {info.letter: name for name, info in ENGINES.items()} == {
        "c": "compiled",
        "l": "learner",
        "w": "wasm",
    }
