"""``device/visit/identifier.mjs`` with a real server: the model on the device, and its download."""

import pytest
from playwright.sync_api import Page

from tests.browser.device_app import PREFIX, DeviceApp
from tests.browser.identifier.conftest import DEVICE, SERVER, Run, photos_sent
from tests.model.tiny import colour
from tests.photos import encoded
from tests.waiting import wait_until


def test_photo_waits_for_the_device_where_the_page_says_so(run: Run, app: DeviceApp) -> None:
    app.hanging, app.broken = {".onnx.gz"}, {"/identify"}
    next_place = run(
        """
        window.identifier = create({ run: "auto" });
        const stop = new AbortController();
        identify(identifier, "file", { signal: stop.signal }).catch(() => {});
        await until(identifier, ({ server }) => server === "failed");
        stop.abort();
        return identifier.state.next;
        """
    )
    assert next_place == "device"
    app.broken = set()
    run("window.answering = outcome(identify(identifier));")
    app.hanging = set()
    app.released.set()
    assert run("return answering;") == DEVICE
    assert photos_sent(app) == 1


def test_device_alone_sends_nothing(run: Run, app: DeviceApp) -> None:
    run('window.identifier = await settle({ run: "device" });')
    asked = len(app.asked)
    assert run("return outcome(identify(identifier));") == DEVICE
    tiff = encoded(colour("red"), "TIFF")
    assert run("return outcome(identify(identifier));", tiff) == {"code": "unsupported-format"}
    app.broken = {"model.json"}
    assert run('return answerOf({ run: "device" });') == {"code": "no-such-model"}
    off = run('return answerOf({ run: "device", address: null });')
    assert off == {"code": "engine-unavailable"}
    assert app.sent == []
    # Labels and recipe are fetched by GET.
    described = f"{PREFIX}/api/v1/models/colours"
    later = {path for path in app.asked[asked:] if not path.endswith(".mjs")}
    assert later <= {described, "models/colours/model.json", "engine/kernels.wasm"}


def test_interrupted_download_resumes(run: Run, app: DeviceApp) -> None:
    app.cut = {".wasm.gz"}
    stalled, answer, ready = run(
        """
        const identifier = create({ run: "auto" });
        const stalled = await until(identifier, ({ isStalled, loaded }) => isStalled && loaded);
        const answer = await outcome(identify(identifier, "nothing"));
        return [stalled, answer, identifier.state];
        """
    )
    # The photo waited for the model; no byte was downloaded twice.
    assert (stalled["device"], stalled["next"], answer) == ("loading", "device", DEVICE)
    assert 0 < stalled["loaded"] < stalled["total"] == ready["loaded"] == ready["total"]
    [rest] = app.ranges
    assert rest.startswith("bytes=")
    assert app.sent == []


def test_server_gets_pixels_where_a_filter_blocks_wasm(run: Run, page: Page) -> None:
    page.context.route("**/*.wasm*", lambda route: route.abort())
    result = run(
        """
        const identifier = await settle({ run: "auto" });
        const values = { source: blob, recipe: identifier.recipe, limits };
        const { bytes } = await identifier.device.worker.send("prepare", values);
        return { size: bytes.length, ...(await report(identifier)) };
        """
    )
    assert result["answer"] == SERVER
    assert (result["device"], result["code"]) == ("failed", "engine-unavailable")
    assert ".wasm.gz can’t be fetched, although the server answers" in result["reason"]
    assert result["size"] > 0


@pytest.mark.slow
def test_answer_is_explained_where_it_was_given(run: Run, app: DeviceApp) -> None:
    explained = f"{PREFIX}/api/v1/identify?explain"
    script = """
      const identifier = create({ run: "%s" });
      const answer = await identify(identifier);
      await until(identifier, isSettled);
      const permission = permit("file");
      const { rows, columns, heat } = await identifier.explain(blob, answer, { permission });
      return { where: answer.where, rows, columns, isFilled: heat.length === rows * columns };
    """
    map_of_32 = {"rows": 32, "columns": 32, "isFilled": True}
    assert run(script % "device") == {"where": "device", **map_of_32}
    assert app.sent == []
    assert run(script % "server") == {"where": "server", **map_of_32}
    assert app.asked.count(explained) == 1
    # In the mode auto the device explains if the server doesn't, but not the other way round.
    app.broken = {"?explain"}
    assert run(script % "auto") == {"where": "server", **map_of_32}
    app.broken = set()
    refused = run(
        """
        const identifier = await settle({ run: "auto" });
        const answer = await identify(identifier);
        const unreadable = new Blob(["no photo"]);
        return [answer.where, await outcome(identifier.explain(unreadable, answer))];
        """
    )
    assert refused == ["device", {"code": "unsupported-format"}]
    assert app.asked.count(explained) == 2


@pytest.mark.slow
def test_browser_that_saves_data_downloads_no_model_automatically(run: Run, app: DeviceApp) -> None:
    result = run(
        """
        Object.defineProperty(navigator.connection, "saveData", { value: true });
        return report(create({ run: "auto" }));
        """
    )
    assert result["answer"] == SERVER
    assert (result["device"], result["next"]) == ("off", "server")
    assert "Data saver is on" in result["reason"]
    assert not [path for path in app.asked if path.startswith("models/colours")]
    # Without a server, or if the visitor chose the device, the model is needed.
    for run_by in ("device", "auto"):
        app.broken = {"/identify"}
        assert run(f"return answerOf({{ run: '{run_by}' }});") == DEVICE


def test_closing_ends_loading_and_pending_calls(run: Run, app: DeviceApp, page: Page) -> None:
    app.hanging = {".onnx.gz"}
    result = run(
        """
        const identifier = create({ run: "device" });
        const waiting = outcome(identify(identifier));
        let changes = 0;
        await new Promise((resolve) => (identifier.onchange = resolve));
        identifier.onchange = () => changes++;
        identifier.close();
        return [await waiting, await outcome(identify(identifier)), changes];
        """
    )
    assert result == [{"code": "engine-unavailable"}, {"code": "engine-unavailable"}, 0]
    # A call lets Playwright hear of what has happened.
    wait_until(lambda: page.evaluate("true") and page.workers == [], 20)
