"""``device/visit/identifier.mjs`` with a real server: answers of device and server, fallbacks."""

from functools import partial

import pytest
from playwright.sync_api import Page

from api.body_limits import memory_budget
from api.dispatcher import dispatcher
from model.admission import admission_queue
from model.corrections.page_sessions import page_sessions
from model.settings import ROOT
from tests.browser.device_app import DeviceApp
from tests.browser.drive import RED
from tests.browser.identifier.conftest import DEVICE, NOISE, SERVER, Run, photos_sent
from tests.device.test_damage import ZEROS
from tests.model.slots import held
from tests.model.tiny import colour
from tests.photos import encoded
from tests.waiting import wait_until


def test_server_answers_until_the_device_can(run: Run, app: DeviceApp, page: Page) -> None:
    app.hanging = {".onnx.gz"}
    before = run('window.identifier = create({ run: "auto" }); return report(identifier);')
    assert before["answer"] == SERVER
    assert (before["device"], before["server"], before["next"]) == ("loading", "ready", "server")
    app.hanging = set()
    app.released.set()
    after = run(
        """
        await until(identifier, isSettled);
        return { recipe: identifier.recipe, ...(await report(identifier)) };
        """
    )
    assert after["answer"] == DEVICE
    assert (after["device"], after["next"], after["reason"]) == ("ready", "device", None)
    assert after["loaded"] == after["total"] > 0
    assert after["recipe"]["resize"] == [32, 32]
    assert photos_sent(app) == 1


def test_device_and_server_give_the_same_answer(run: Run) -> None:
    answers = run(
        """
        const answers = [];
        for (const run of ["device", "server"]) {
          const identifier = create({ run, graph: "full" });
          const result = await identify(identifier);
          const { is_packed, milliseconds, queue_ms, sent, token, where, ...answer } = result;
          const { answer: label, candidates, known, plausible, version } = answer.prediction;
          answers.push({ ...answer, prediction: { label, candidates, known, plausible, version } });
        }
        return answers;
        """
    )
    assert answers[0] == answers[1]
    assert answers[0]["headline"] == ["Very likely a ", {"label": "red"}]


@pytest.mark.parametrize("cause", ["golden outputs", "fingerprinting", "no files"])
def test_unusable_device_leads_to_the_server(run: Run, app: DeviceApp, cause: str) -> None:
    if cause == "golden outputs":
        module = run("return (await (await fetch(`${address}model.json`)).json()).runtime.module;")
        app.replaced[module.removeprefix("../../")] = ZEROS.encode()
    elif cause == "fingerprinting":
        worker = (ROOT / "device" / "engine" / "worker.mjs").read_text()
        app.replaced["engine/worker.mjs"] = (NOISE + worker).encode()
    else:
        app.broken = {"model.json"}
    result = run(
        """
        const automatic = await settle({ run: "auto" });
        const { state } = automatic;
        const answers = [await outcome(identify(automatic)), await answerOf({ run: "device" })];
        return { answers, ...state };
        """
    )
    assert result["device"] == "failed"
    assert result["next"] == "server"
    assert cause in result["reason"] or cause == "no files"
    first, second = result["answers"]
    assert first == SERVER
    assert second["code"] in ("golden-mismatch", "engine-unavailable", "no-such-model")
    assert photos_sent(app) == 1


@pytest.mark.slow
def test_photo_that_the_browser_cannot_read_goes_to_the_server(run: Run, app: DeviceApp) -> None:
    photo = encoded(colour("red"), "HEIF")
    script = """
      const identifier = await settle({ run: "auto" });
      const permission = permit("nothing", blob, given.agrees);
      return outcome(identifier.identify(blob, { permission }));
    """
    # The visitor hasn't agreed to send the file.
    assert run(script, photo, agrees=False) == {"refused": "file", "cause": "unsupported-format"}
    assert app.sent == []
    run = partial(run, agrees=True)
    assert run(script, photo) == SERVER
    # A file that neither can read gets the server's error.
    assert run(script, photo[:100]) == {"code": "damaged"}
    assert photos_sent(app) == 2
    # A file that the server would refuse as well isn't sent.
    assert run(script, b"") == {"code": "empty"}
    assert run(script, b"no photo at all") == {"code": "unsupported-format"}
    assert run(script, RED[:-20]) == {"code": "damaged"}
    assert photos_sent(app) == 2
    app.broken = {"/identify"}
    assert run(script, photo) == {"code": "unreachable"}
    failed = """
      const identifier = await settle({ run: "auto" });
      const { sentOf } = await import(`${page}visit/outgoing.mjs`);
      return identify(identifier).catch(({ code }) => [code, sentOf(blob)?.kind]);
    """
    assert run(failed, photo) == ["unreachable", "file"]


@pytest.mark.parametrize("trouble", ["broken", pytest.param("hanging", marks=pytest.mark.slow)])
def test_device_answers_when_the_server_does_not(run: Run, app: DeviceApp, trouble: str) -> None:
    setattr(app, trouble, {"/identify"})
    result = run('return report(create({ run: "auto" }));')
    assert result["answer"] == DEVICE
    assert photos_sent(app) == 1
    # The photo left the device although the server failed.
    assert result["sent"] == {"kind": "file", "bytes": len(RED)}
    assert (result["server"], result["next"]) == (
        "failed" if trouble == "broken" else "ready",
        "device",
    )


def test_failure_of_device_and_server_is_unreachable(run: Run, app: DeviceApp) -> None:
    app.broken = {"/identify", "model.json"}
    result = run('return report(create({ run: "auto" }));')
    assert result["answer"] == {"code": "unreachable"}
    assert (result["device"], result["server"]) == ("failed", "failed")


def test_server_alone_loads_no_model(run: Run, app: DeviceApp) -> None:
    result = run(
        """
        const identifier = create({ run: "server" });
        const answer = await outcome(identify(identifier));
        const state = await until(identifier, () => identifier.info !== null);
        const live = await outcome(identifier.watch(document.createElement("video")).next());
        return { answer, live, title: identifier.info.title, recipe: identifier.recipe, ...state };
        """
    )
    assert result["answer"] == SERVER
    assert result["live"] == {"code": "engine-unavailable"}
    assert (result["device"], result["server"], result["next"]) == ("off", "ready", "server")
    assert result["recipe"]["resize"] == [32, 32]
    assert not [path for path in app.asked if path.startswith("models/colours")]
    # So does the mode auto where downloads are off.
    assert run("return answerOf({ address: null });") == SERVER


@pytest.mark.slow
def test_session_that_has_ended_gets_a_new_token_once(run: Run, app: DeviceApp, token: str) -> None:
    page_sessions.close_session(token)
    script = 'return answerOf({ run: "server", limits: null });'
    assert [run(script), run(script)] == [SERVER, SERVER]
    assert sum(path.endswith("/api/session/") for path in app.asked) == 1


@pytest.mark.slow
def test_busy_server_is_retried(run: Run, app: DeviceApp) -> None:
    with held(admission_queue(), admission_queue().slots):
        run('window.answering = answerOf({ run: "server" }); return null;')
        # A second request means that the first one was refused.
        wait_until(lambda: photos_sent(app) >= 2, 20)
    assert run("return window.answering;") == SERVER


def test_upload_can_be_aborted(run: Run, app: DeviceApp, page: Page) -> None:
    large = "new Blob([new Uint8Array(15_000_000)])"
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 1e7}
    network.send("Network.emulateNetworkConditions", slow)
    result = run(
        f"""
        const identifier = create({{ run: "server" }});
        const stop = new AbortController();
        const {{ send }} = XMLHttpRequest.prototype;
        XMLHttpRequest.prototype.send = function (body) {{
          this.upload.addEventListener("progress", () => stop.abort(), {{ once: true }});
          return send.call(this, body);
        }};
        const upload = {large};
        const options = {{ permission: permit("file", upload), signal: stop.signal }};
        const answer = await outcome(identifier.identify(upload, options));
        XMLHttpRequest.prototype.send = send;
        const after = await outcome(identify(identifier));
        return {{ answer, after, ...identifier.state }};
        """
    )
    network.detach()
    assert result["answer"] == {"code": "AbortError"}
    assert result["after"] == SERVER
    wait_until(lambda: memory_budget().used == 0)
    assert admission_queue().active == 0
    assert not dispatcher().stopping
