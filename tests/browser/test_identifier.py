"""``device/view/identifier.mjs`` with a real server: who answers, who is asked when one can't."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from api.body_limits import memory_budget
from api.dispatcher import dispatcher
from model import load
from model.admission import admission_queue
from model.exporting import cache
from model.page_sessions import page_sessions
from model.settings import ROOT
from tests.api.conftest import forget
from tests.browser.device_app import PREFIX, DeviceApp, device_app
from tests.browser.drive import checked_page, sample
from tests.device.test_damage import ZEROS
from tests.model.slots import held
from tests.model.tiny import CALIBRATED, CARD, colour, tiny
from tests.photos import encoded
from tests.waiting import wait_until

RED = encoded(colour("red"), "PNG")
PHOTO = f"{PREFIX}/api/session/photo"

SETUP = """
async (given) => {
  const { page, token, photo } = given;
  const { createIdentifier } = await import(`${page}view/identifier.mjs`);
  const blob = new Blob([Uint8Array.from(atob(photo), (letter) => letter.charCodeAt())]);
  const server = { url: `${page}../api/session/`, token, model: "colours" };
  const address = `${page}models/colours/`;
  const create = (options) => {
    const limits = { bytes: 2e7, pixels: 5e7, side: 16 };
    const identifier = createIdentifier({ address, server, limits, ...options });
    identifier.start();
    return identifier;
  };
  const until = (identifier, holds) => new Promise((resolve) => {
    const check = () => holds(identifier.state) && resolve(identifier.state);
    identifier.onchange = check;
    check();
  });
  const isSettled = ({ device }) => device !== "loading";
  const outcome = (promise) => promise.then(
    ({ where, certainty, token }) => ({ where, certainty, isSigned: token.includes(".") }),
    ({ code, name }) => ({ code: typeof code === "string" ? code : name }),
  );
  %s
}
"""


@pytest.fixture
def app(built_dir: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeviceApp]:
    """The routes with a calibrated model of colours, and one place for photos that wait."""
    monkeypatch.setattr(cache, "BUILT_DIR", built_dir)
    monkeypatch.setenv("LOUPE_MODEL", "colours")
    monkeypatch.setenv("LOUPE_QUEUE", "0")
    forget()
    tiny(shelf, "colours", confidence=CALIBRATED, card=CARD)
    with device_app() as running:
        yield running
    forget()


Run = Callable[..., Any]


@pytest.fixture
def page(browser: Browser, app: DeviceApp) -> Iterator[Page]:
    """A page of the app's origin that runs nothing itself."""
    with ExitStack() as stack:
        opened = stack.enter_context(checked_page(browser, {}))
        opened.goto(f"{app.url}models/index.json")
        yield opened


@pytest.fixture
def run(page: Page, app: DeviceApp, token: str) -> Run:
    """Run a script with an identifier in the page; return its result."""

    def run_script(script: str, photo: bytes = RED, **values: Any) -> Any:
        given = {"page": app.url, "token": token, "photo": base64.b64encode(photo).decode()}
        return page.evaluate(SETUP % script, given | values)

    return run_script


def photos_sent(app: DeviceApp) -> int:
    return app.asked.count(PHOTO)


SURE = {"certainty": "likely"}
DEVICE, SERVER = (
    SURE | {"where": "device", "isSigned": False},
    SURE | {"where": "server", "isSigned": True},
)


def test_server_answers_until_the_device_can(run: Run, app: DeviceApp, page: Page) -> None:
    app.hanging = {".onnx.gz"}
    before = run(
        """
        window.identifier = create({ run: "auto" });
        const answer = await outcome(identifier.identify(blob));
        return { answer, ...identifier.state };
        """
    )
    assert before["answer"] == SERVER
    assert (before["device"], before["server"], before["next"]) == ("loading", "ready", "server")
    app.hanging = set()
    app.released.set()
    after = run(
        """
        await until(identifier, isSettled);
        const answer = await outcome(identifier.identify(blob));
        return { answer, recipe: identifier.recipe, ...identifier.state };
        """
    )
    assert after["answer"] == DEVICE
    assert (after["device"], after["next"], after["reason"]) == ("ready", "device", None)
    assert after["loaded"] == after["total"] > 0
    assert after["recipe"]["resize"] == [32, 32]
    assert photos_sent(app) == 1


def test_both_say_the_same(run: Run) -> None:
    answers = run(
        """
        const answers = [];
        for (const run of ["device", "server"]) {
          const identifier = create({ run, graph: "full" });
          const result = await identifier.identify(blob);
          const { token, where, milliseconds, queue_ms, sent, ...answer } = result;
          const { answer: label, candidates, known, plausible, version } = answer.prediction;
          answers.push({ ...answer, prediction: { label, candidates, known, plausible, version } });
        }
        return answers;
        """
    )
    assert answers[0] == answers[1]
    assert answers[0]["headline"] == ["Very likely a ", {"label": "red"}]


NOISE = """
const plain = OffscreenCanvasRenderingContext2D.prototype.getImageData;
OffscreenCanvasRenderingContext2D.prototype.getImageData = function (...box) {
  const image = plain.apply(this, box);
  image.data[0] ^= 1;
  return image;
};
"""
"""What browsers do that resist fingerprinting."""


@pytest.mark.parametrize("cause", ["golden outputs", "fingerprinting", "no files"])
def test_device_that_is_refused_leads_to_the_server(run: Run, app: DeviceApp, cause: str) -> None:
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
        const automatic = create({ run: "auto" });
        const state = await until(automatic, isSettled);
        const answers = [await outcome(automatic.identify(blob))];
        answers.push(await outcome(create({ run: "device" }).identify(blob)));
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
@pytest.mark.parametrize("kind", ["HEIF", "TIFF"])
def test_photo_that_the_browser_cannot_read_goes_to_the_server(
    run: Run, app: DeviceApp, kind: str
) -> None:
    photo = encoded(colour("red"), kind)
    script = """
      const identifier = create({ run: "auto" });
      await until(identifier, isSettled);
      const asked = [];
      const ask = async ({ code }) => { asked.push(code); return given.agrees; };
      const answer = await outcome(identifier.identify(blob, { ask }));
      return { ...answer, asked: asked.join() };
    """
    unread = {"asked": "unsupported-format"}
    # Nobody agreed that it leaves the device.
    assert run(script, photo, agrees=False) == {"code": "unsupported-format"} | unread
    assert app.sent == []
    run = partial(run, agrees=True)
    assert run(script, photo) == SERVER | unread
    # What neither reads has the server's verdict.
    assert run(script, photo[:100]) == {"code": "damaged"} | unread
    assert photos_sent(app) == 2
    # What the server would refuse as well isn't sent.
    assert run(script, b"") == {"code": "empty", "asked": ""}
    assert run(script, b"no photo at all") == {"code": "unsupported-format", "asked": ""}
    assert run(script, RED[:-20]) == {"code": "damaged", "asked": ""}
    assert photos_sent(app) == 2
    app.broken = {"/photo"}
    assert run(script, photo) == {"code": "unsupported-format"} | unread
    failed = """
      const identifier = create({ run: "auto" });
      await until(identifier, isSettled);
      const answering = identifier.identify(blob, { ask: async () => true });
      return answering.catch(({ code, sent }) => [code, sent?.kind]);
    """
    assert run(failed, photo) == ["unsupported-format", "file"]


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
      const answer = await identifier.identify(blob);
      const { rows } = await identifier.explain(blob, answer);
      return [sends, rows, answer];
    """
    sends, rows, answer = far(script, coffee)
    assert (sends, rows, answer["from_pixels"]) == ("pixels", 32, True)
    routes = [path.partition("session/")[2] for path, _ in app.sent]
    assert routes == ["pixels", "pixels/explanation"]
    # The same bytes reached the model.
    expected = load("colours").identify(coffee).to_dict("-")["candidates"]
    assert answer["prediction"]["candidates"] == expected
    assert answer["sent"] == {"kind": "pixels", "bytes": app.sent[0][1]}
    assert app.sent[0][1] < 32 * 32 * 3


def test_distant_server_gets_a_file_only_if_asked(far: Run, app: DeviceApp) -> None:
    script = """
      const ask = async () => given.agrees;
      return outcome(create({ run: "server" }).identify(blob, { ask }));
    """
    heic = encoded(colour("red"), "HEIF")
    assert far(script, heic, agrees=False) == {"code": "unsupported-format"}
    assert app.sent == []
    assert far(script, heic, agrees=True) == SERVER
    assert photos_sent(app) == 1


def test_no_is_heard_while_the_model_is_loading(far: Run, app: DeviceApp) -> None:
    app.hanging = {".onnx.gz"}
    script = """
      const ask = async () => { throw Object.assign(new Error(), { code: "declined" }); };
      const late = new Promise((done) => setTimeout(() => done("late"), 5000));
      return Promise.race([outcome(create({ run: "auto" }).identify(blob, { ask })), late]);
    """
    assert far(script, encoded(colour("red"), "HEIF")) == {"code": "declined"}


def test_pixels_are_made_again_for_a_new_version(far: Run, app: DeviceApp) -> None:
    script = """
      const described = { version: "0123456789ab", recipe: { resize: [64, 64] } };
      const identifier = create({ run: "server", described });
      const answer = await outcome(identifier.identify(blob));
      const { resize } = identifier.recipe;
      identifier.setDescribed({ version: "another", recipe: { resize: [48, 48] } });
      return [answer, resize, identifier.recipe.resize];
    """
    assert far(script) == [SERVER, [32, 32], [48, 48]]
    assert app.asked.count(f"{PREFIX}/api/session/pixels") == 2


def test_nothing_counts_as_sent_before_its_first_byte(far: Run, page: Page) -> None:
    page.route("**/api/session/**", lambda route: route.abort("internetdisconnected"))
    script = """
      const identifying = create({ run: "server" }).identify(blob);
      return identifying.catch(({ code, sent }) => [code, sent ?? null]);
    """
    assert far(script) == ["unreachable", None]


def test_device_answers_when_the_server_describes_nothing(far: Run, app: DeviceApp) -> None:
    app.hanging = {"v1/models/colours"}
    script = """
      const late = new Promise((done) => setTimeout(() => done("late"), 20_000));
      return Promise.race([outcome(create({ run: "auto" }).identify(blob)), late]);
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
    assert far('return outcome(create({ run: "server" }).identify(blob));') == SERVER
    assert photos_sent(app) == 1


@pytest.mark.parametrize("trouble", ["broken", pytest.param("hanging", marks=pytest.mark.slow)])
def test_device_answers_when_the_server_does_not(run: Run, app: DeviceApp, trouble: str) -> None:
    setattr(app, trouble, {"/photo"})
    result = run(
        """
        const identifier = create({ run: "auto" });
        const answering = identifier.identify(blob);
        const answer = await outcome(answering);
        const { sent } = await answering;
        return { answer, sent, ...identifier.state };
        """
    )
    assert result["answer"] == DEVICE
    assert photos_sent(app) == 1
    # It left the device all the same.
    assert result["sent"] == {"kind": "file", "bytes": len(RED)}
    assert (result["server"], result["next"]) == (
        "failed" if trouble == "broken" else "ready",
        "device",
    )


def test_neither_answers(run: Run, app: DeviceApp) -> None:
    app.broken = {"/photo", "model.json"}
    result = run(
        """
        const identifier = create({ run: "auto" });
        const answer = await outcome(identifier.identify(blob));
        return { answer, ...identifier.state };
        """
    )
    assert result["answer"] == {"code": "unreachable"}
    assert (result["device"], result["server"]) == ("failed", "failed")


def test_device_alone_sends_nothing(run: Run, app: DeviceApp) -> None:
    run(
        """
        window.identifier = create({ run: "device" });
        await until(identifier, isSettled);
        """
    )
    asked = len(app.asked)
    assert run("return outcome(identifier.identify(blob));") == DEVICE
    tiff = encoded(colour("red"), "TIFF")
    assert run("return outcome(identifier.identify(blob));", tiff) == {"code": "unsupported-format"}
    app.broken = {"model.json"}
    refused = run('return outcome(create({ run: "device" }).identify(blob));')
    assert refused == {"code": "no-such-model"}
    off = run('return outcome(create({ run: "device", address: null }).identify(blob));')
    assert off == {"code": "engine-unavailable"}
    assert app.sent == []
    # Labels and recipe come by GET.
    described = f"{PREFIX}/api/v1/models/colours"
    later = {path for path in app.asked[asked:] if not path.endswith(".mjs")}
    assert later <= {described, "models/colours/model.json"}


def test_server_alone_loads_no_model(run: Run, app: DeviceApp) -> None:
    result = run(
        """
        const identifier = create({ run: "server" });
        const answer = await outcome(identifier.identify(blob));
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
    # Where downloads are off, so does automatic.
    assert run("return outcome(create({ address: null }).identify(blob));") == SERVER


@pytest.mark.slow
def test_page_without_a_server_waits_for_the_device(run: Run, app: DeviceApp) -> None:
    result = run(
        """
        const identifier = create({ server: null });
        const before = identifier.state;
        return { ...before, answer: await outcome(identifier.identify(blob)) };
        """
    )
    assert (result["next"], result["server"], result["answer"]) == ("device", "none", DEVICE)
    assert app.sent == []


@pytest.mark.slow
def test_new_token_is_awaited_once(run: Run, token: str) -> None:
    page_sessions.close_session(token)
    renewed = page_sessions.open_session()
    answer = run(
        """
        const renew = () => setTimeout(
          () => identifier.setServer({ ...server, token: given.renewed }), 100);
        const identifier = create({ run: "server", server: { ...server, renew } });
        return outcome(identifier.identify(blob));
        """,
        renewed=renewed,
    )
    assert answer == SERVER
    page_sessions.close_session(renewed)
    assert run('return outcome(create({ run: "server" }).identify(blob));') == {
        "code": "no-session"
    }


@pytest.mark.slow
def test_busy_server_is_asked_again(run: Run, app: DeviceApp) -> None:
    with held(admission_queue(), admission_queue().slots):
        run('window.answer = outcome(create({ run: "server" }).identify(blob)); return null;')
        # The first was refused, or it wouldn't be sent again.
        wait_until(lambda: photos_sent(app) >= 2, 20)
    assert run("return window.answer;") == SERVER


def test_upload_reports_progress_and_can_be_aborted(run: Run, app: DeviceApp, page: Page) -> None:
    large = "new Blob([new Uint8Array(15_000_000)])"
    result = run(
        f"""
        const identifier = create({{ run: "server" }});
        const stop = new AbortController();
        const seen = [];
        const onProgress = (sent, total) => {{ seen.push([sent, total]); stop.abort(); }};
        const answer = await outcome(
          identifier.identify({large}, {{ onProgress, signal: stop.signal }}));
        const after = await outcome(identifier.identify(blob));
        return {{ seen, answer, after, ...identifier.state }};
        """
    )
    assert result["answer"] == {"code": "AbortError"}
    assert result["seen"][0][1] == 15_000_000
    assert result["after"] == SERVER
    wait_until(lambda: memory_budget().used == 0)
    assert admission_queue().active == 0
    assert not dispatcher().stopping


def test_answer_can_be_corrected(run: Run) -> None:
    numbers = run(
        """
        const identifier = create({ run: "auto" });
        const answer = await identifier.identify(blob);
        const { number } = await identifier.correct({ answer, labels: ["rose"] });
        await until(identifier, isSettled);
        const other = await identifier.identify(blob);
        const second = await identifier.correct({ answer: other, labels: ["rose"], photo: blob });
        return [number, second.number];
        """
    )
    assert numbers == [1, 2]


def test_answer_is_explained_where_it_was_given(run: Run, app: DeviceApp) -> None:
    explained = f"{PREFIX}/api/session/explanation"
    script = """
      const identifier = create({ run: "%s" });
      const answer = await identifier.identify(blob);
      await until(identifier, isSettled);
      const { rows, columns, heat } = await identifier.explain(blob, answer);
      return { where: answer.where, rows, columns, isFilled: heat.length === rows * columns };
    """
    map_of_32 = {"rows": 32, "columns": 32, "isFilled": True}
    assert run(script % "device") == {"where": "device", **map_of_32}
    assert app.sent == []
    assert run(script % "server") == {"where": "server", **map_of_32}
    assert app.asked.count(explained) == 1
    # In automatic, the device explains what the server doesn't, but not the other way round.
    app.broken = {"/explanation"}
    assert run(script % "auto") == {"where": "server", **map_of_32}
    app.broken = set()
    refused = run(
        """
        const identifier = create({ run: "auto" });
        await until(identifier, isSettled);
        const answer = await identifier.identify(blob);
        const unreadable = new Blob(["no photo"]);
        return [answer.where, await outcome(identifier.explain(unreadable, answer))];
        """
    )
    assert refused == ["device", {"code": "unsupported-format"}]
    assert app.asked.count(explained) == 2


@pytest.mark.slow
def test_browser_that_saves_data_downloads_no_model_by_itself(run: Run, app: DeviceApp) -> None:
    result = run(
        """
        Object.defineProperty(navigator.connection, "saveData", { value: true });
        const identifier = create({ run: "auto" });
        const answer = await outcome(identifier.identify(blob));
        return { answer, ...identifier.state };
        """
    )
    assert result["answer"] == SERVER
    assert (result["device"], result["next"]) == ("off", "server")
    assert "saves data" in result["reason"]
    assert not [path for path in app.asked if path.startswith("models/colours")]
    # Without the server, or by choice, it is needed.
    for run_by in ("device", "auto"):
        app.broken = {"/photo"}
        assert run(f"return outcome(create({{ run: '{run_by}' }}).identify(blob));") == DEVICE


def test_closing_ends_loading_and_whoever_waits(run: Run, app: DeviceApp, page: Page) -> None:
    app.hanging = {".onnx.gz"}
    result = run(
        """
        const identifier = create({ run: "device" });
        const waiting = outcome(identifier.identify(blob));
        let changes = 0;
        await new Promise((resolve) => (identifier.onchange = resolve));
        identifier.onchange = () => changes++;
        identifier.close();
        return [await waiting, await outcome(identifier.identify(blob)), changes];
        """
    )
    assert result == [{"code": "engine-unavailable"}, {"code": "engine-unavailable"}, 0]
    # A call lets Playwright hear of what has happened.
    wait_until(lambda: page.evaluate("true") and page.workers == [], 20)
