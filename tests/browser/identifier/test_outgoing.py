"""``device/visit/outgoing.mjs`` with a real server: what leaves the device."""

from functools import partial

import pytest
from playwright.sync_api import Page, Route

from model import load
from model.settings import ROOT
from tests.browser.device_app import DeviceApp
from tests.browser.drive import sample
from tests.browser.identifier.conftest import DEVICE, NOISE, SERVER, Run, photos_sent
from tests.model.tiny import colour
from tests.photos import encoded


@pytest.fixture
def far(page: Page, app: DeviceApp, run: Run) -> Run:
    """Run a script in a page whose address is not this machine's."""
    url = app.url.replace("localhost", "phone.test")
    page.goto(f"{url}models/index.json")
    return partial(run, page=url)


def test_distant_server_gets_pixels_only(far: Run, app: DeviceApp) -> None:
    # Small enough that the server decodes it whole.
    coffee = encoded(sample("coffee").open().convert("RGB").resize((120, 90)), "PNG")
    script = """
      const identifier = create({ run: "server" });
      const { sends } = await until(identifier, ({ sends }) => sends !== null);
      const answer = await identify(identifier);
      const { rows } = await identifier.explain(blob, answer, { permission: permit("pixels") });
      return [sends, rows, answer];
    """
    sends, rows, answer = far(script, coffee)
    assert (sends, rows, answer["from_pixels"]) == ("pixels", 32, True)
    routes = [path.rpartition("/")[2] for path, _ in app.sent]
    assert routes == ["identify", "identify?explain"]
    # The same bytes reached the model.
    expected = load("colours").identify(coffee).to_dict("-")["candidates"]
    assert answer["prediction"]["candidates"] == expected
    assert answer["sent"] == {"kind": "pixels", "bytes": app.sent[0][1]}
    assert app.sent[0][1] < 32 * 32 * 3


def test_distant_server_gets_a_file_only_if_asked(far: Run, app: DeviceApp) -> None:
    script = """
      const permission = permit("pixels", blob, given.agrees);
      return outcome(create({ run: "server" }).identify(blob, { permission }));
    """
    heic = encoded(colour("red"), "HEIF")
    assert far(script, heic, agrees=False) == {"refused": "file", "cause": "unsupported-format"}
    assert app.sent == []
    assert far(script, heic, agrees=True) == SERVER
    assert photos_sent(app) == 1


def test_refusal_does_not_wait_for_the_model(far: Run, app: DeviceApp) -> None:
    app.hanging = {".onnx.gz"}
    script = """
      const late = new Promise((done) => setTimeout(() => done("late"), 5000));
      return Promise.race([answerOf({ run: "auto" }, "pixels"), late]);
    """
    heic = encoded(colour("red"), "HEIF")
    assert far(script, heic) == {"refused": "file", "cause": "unsupported-format"}


def test_nothing_leaves_beyond_the_permission(far: Run, app: DeviceApp) -> None:
    script = """
      const other = { model: "scripts", host: "10.0.0.5", photo: new Blob(["another"]) };
      const values = { ...other, signal: AbortSignal.abort(), part: "nothing" };
      const changed = Object.entries(values).map(async ([name, value]) => {
        const permission = { ...permit("file"), [name]: value };
        return [name, await outcome(create({ run: "server" }).identify(blob, { permission }))];
      });
      return Object.fromEntries(await Promise.all(changed));
    """
    refused = {"refused": "pixels", "cause": None}
    assert far(script) == dict.fromkeys(("model", "host", "photo", "signal", "part"), refused)
    assert app.sent == []


def test_upload_ends_with_its_permission(far: Run, page: Page, app: DeviceApp) -> None:
    app.hanging = {"/pixels"}
    script = """
      const { sentOf } = await import(`${page}visit/outgoing.mjs`);
      const present = new AbortController();
      const permission = { ...permit("pixels"), signal: present.signal };
      const identifying = outcome(create({ run: "server" }).identify(blob, { permission }));
      while (!sentOf(blob)) await new Promise((done) => setTimeout(done, 5));
      present.abort();
      return [await identifying, sentOf(blob).kind];
    """
    assert far(script) == [{"refused": "pixels", "cause": None}, "pixels"]


def test_pixels_are_made_again_for_a_new_version(far: Run, app: DeviceApp) -> None:
    script = """
      const described = { version: "0123456789ab", recipe: { resize: [64, 64] } };
      const identifier = create({ run: "server", described });
      const answer = await outcome(identify(identifier));
      const { resize } = identifier.recipe;
      identifier.setDescribed({ version: "another", recipe: { resize: [48, 48] } });
      return [answer, resize, identifier.recipe.resize];
    """
    assert far(script) == [SERVER, [32, 32], [48, 48]]
    assert photos_sent(app) == 2


@pytest.mark.parametrize("is_busy", [False, True])
def test_body_counts_as_sent_unless_the_network_failed_before(
    far: Run, page: Page, is_busy: bool
) -> None:
    busy = [{"code": "busy", "detail": "Busy."}] if is_busy else []

    def respond(route: Route) -> None:
        if busy:
            route.fulfill(status=503, json=busy.pop())
        else:
            route.abort("internetdisconnected")

    page.route("**/api/v1/identify**", respond)
    script = """
      const { sentOf } = await import(`${page}visit/outgoing.mjs`);
      return identify(create({ run: "server" })).catch(({ code }) => [code, sentOf(blob)?.kind]);
    """
    assert far(script) == ["unreachable", "pixels" if is_busy else None]


def test_body_counts_as_sent_although_no_progress_was_reported(far: Run, app: DeviceApp) -> None:
    app.hanging = {"/identify"}
    script = """
      const { sentOf } = await import(`${page}visit/outgoing.mjs`);
      const { send } = XMLHttpRequest.prototype;
      const ends = [];
      for (const ms of [0, 30, 80]) {
        const upload = new Blob([new Uint8Array(3_000_000)]);
        const stop = new AbortController();
        XMLHttpRequest.prototype.send = function (body) {
          setTimeout(() => stop.abort(), ms);
          return send.call(this, body);
        };
        const options = { permission: permit("file", upload), signal: stop.signal };
        const identifier = create({ run: "server", limits: null });
        const { code } = await outcome(identifier.identify(upload, options));
        ends.push([code, sentOf(upload)]);
      }
      return ends;
    """
    assert far(script) == [["AbortError", {"kind": "file", "bytes": 3_000_000}]] * 3


@pytest.mark.slow
def test_device_answers_when_model_is_not_described(far: Run, app: DeviceApp) -> None:
    app.hanging = {"v1/models/colours"}
    script = """
      const late = new Promise((done) => setTimeout(() => done("late"), 20_000));
      return Promise.race([answerOf({ run: "auto" }), late]);
    """
    assert far(script) == DEVICE


def test_pixels_are_sent_though_the_model_cannot_be_loaded(far: Run, app: DeviceApp) -> None:
    worker = (ROOT / "device" / "engine" / "worker.mjs").read_text()
    start = "async function canPrepare() {"
    slow = worker.replace(start, f"{start} await new Promise((done) => setTimeout(done, 1000));")
    app.replaced["engine/worker.mjs"] = slow.encode()
    app.broken = {"model.json"}
    script = """
      const identifier = create({ run: "auto" });
      return (await until(identifier, ({ sends }) => sends !== null)).sends;
    """
    assert far(script) == "pixels"


def test_browser_that_changes_pixels_sends_the_file(far: Run, app: DeviceApp) -> None:
    worker = (ROOT / "device" / "engine" / "worker.mjs").read_text()
    app.replaced["engine/worker.mjs"] = (NOISE + worker).encode()
    assert far('return answerOf({ run: "server" });') == SERVER
    assert photos_sent(app) == 1
