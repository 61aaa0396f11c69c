"""``visit/recents.mjs`` in Chromium: kept and expired photos, and a browser without storage."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.device_app import DeviceApp

SETUP = """
async ({ page, scope }) => {
  const { Recents } = await import(`${page}visit/recents.mjs`);
  const open = (options) => new Recents({ scope, prefix: "/some/path", ...options });
  const entry = (id, values) => ({
    id, photo: new Blob([`photo ${id}`]), source: "file", alt: "A photo",
    answer: { headline: ["A ", { label: "قميص" }], token: id }, ...values,
  });
  const stored = async () => {
    const [{ name }] = await indexedDB.databases();
    const done = (request) => new Promise((resolve) => {
      request.onsuccess = () => resolve(request.result);
    });
    const database = await done(indexedDB.open(name));
    const records = await done(database.transaction("photos").objectStore("photos").getAll());
    database.close();
    return records.map(({ id }) => id).sort();
  };
  const until = async (wanted) => {
    while (JSON.stringify(await stored()) !== JSON.stringify(wanted)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const ids = async (recents) => (await recents.list()).map(({ id }) => id);
  const get = async (recents, id) => (await recents.list()).find((entry) => entry.id === id);
  SCRIPT
}
"""

Visit = Callable[..., Page]

pytestmark = pytest.mark.quick


@pytest.fixture
def visit(new_page: Callable[[], Page], app: DeviceApp) -> Visit:
    """Open a page of the app's origin; by default in a fresh profile."""

    def come(context: BrowserContext | None = None) -> Page:
        page = context.new_page() if context else new_page()
        page.goto(f"{app.url}manifest.webmanifest")
        return page

    return come


@pytest.fixture
def run(app: DeviceApp) -> Callable[..., Any]:
    def run_script(page: Page, script: str, scope: str = "session") -> Any:
        return page.evaluate(SETUP.replace("SCRIPT", script), {"page": app.url, "scope": scope})

    return run_script


FILL = """
  const recents = open();
  for (let number = 0; number < 10; number++) await recents.add(entry(`p${number}`));
  await until(["p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"]);
"""


def test_newest_eight_survive_a_reload_with_photo_answer_and_link(visit: Visit, run: Any) -> None:
    page = visit()
    run(page, FILL)
    page.reload()
    result = run(
        page,
        """
        const recents = open();
        const found = await recents.find({ token: "p9" });
        return {
          ids: await ids(recents), photo: await found.photo.text(),
          answer: found.answer, other: await recents.find({ token: "x" }),
        };
        """,
    )
    assert result == {
        "ids": [f"p{number}" for number in range(9, 1, -1)],
        "photo": "photo p9",
        "answer": {"headline": ["A ", {"label": "قميص"}], "token": "p9"},
        "other": None,
    }


def test_photo_that_is_identified_again_is_kept_once(visit: Visit, run: Any) -> None:
    result = run(
        visit(),
        """
        const recents = open();
        const added = ["a", "b", "a"].map((id, place) => entry(id, { alt: `${place}` }));
        await Promise.all(added.map((one) => recents.add(one)));
        await until(["a", "b"]);
        return [await ids(recents), (await get(recents, "a")).alt];
        """,
    )
    assert result == [["a", "b"], "2"]


def test_session_is_its_tab_and_ends_with_it(visit: Visit, run: Any) -> None:
    first = visit()
    run(first, f"{FILL} window.recents = recents;")
    second = visit(first.context)
    assert run(second, "return ids(open());") == []
    kept = ["other", *(f"p{number}" for number in range(2, 10))]
    run(second, f"await open().add(entry('other')); await until({kept});")
    # An open tab keeps its photos; those of a closed one go when the app is opened next.
    first.close()
    third = visit(second.context)
    assert run(third, "const recents = open(); await until(['other']); return ids(recents);") == []
    assert run(second, "return ids(open());") == ["other"]


def test_day_is_for_all_tabs_and_expires(visit: Visit, run: Any) -> None:
    first = visit()
    run(first, "await open().add(entry('a')); await until(['a']);", "day")
    second = visit(first.context)
    assert run(second, "return ids(open());", "day") == ["a"]
    later = """
      const real = Date.now();
      Date.now = () => real + %d;
      const recents = open();
      return ids(recents);
    """
    hour = 3_600_000
    assert run(second, later % (23 * hour), "day") == ["a"]
    third = visit(first.context)
    assert run(third, later % (25 * hour), "day") == []
    run(third, "await until([]);")


def test_no_more_than_eight_of_all_tabs_are_stored(visit: Visit, run: Any) -> None:
    script = """
      const tabs = [open(), open()];
      await Promise.all(tabs.map((tab) => tab.list()));
      for (let number = 0; number < 8; number++) {
        for (const [at, tab] of tabs.entries()) await tab.add(entry(`${at}${number}`));
      }
      while ((await stored()).length < 16);
      const last = (await ids(open())).sort();
      await until(last);
      return last.length;
    """
    assert run(visit(), script, "day") == 8


def test_day_expires_in_an_open_page(visit: Visit, run: Any) -> None:
    result = run(
        visit(),
        """
        const recents = open();
        await recents.add(entry("a"));
        const before = await ids(recents);
        const real = Date.now();
        Date.now = () => real + 25 * 3_600_000;
        const after = await ids(recents);
        await until([]);
        return [before, after];
        """,
        "day",
    )
    assert result == [["a"], []]


def test_clearing_deletes_everything(visit: Visit, run: Any) -> None:
    first = visit()
    run(first, f"{FILL} window.recents = recents;")
    second = visit(first.context)
    assert run(second, "await open().clear(); return stored();") == []
    pause = "await new Promise((resolve) => setTimeout(resolve, 20));"
    run(first, f"while ((await ids(window.recents)).length) {pause}")
    first.reload()
    assert run(first, "return ids(open());") == []


def test_clearing_after_a_lost_connection_works_or_fails_visibly(visit: Visit, run: Any) -> None:
    page = visit()
    script = f"""
      {FILL}
      const {{ transaction }} = IDBDatabase.prototype;
      IDBDatabase.prototype.transaction = function (...all) {{
        LOSE
        this.close();
        return transaction.apply(this, all);
      }};
      const isCleared = await recents.clear();
      IDBDatabase.prototype.transaction = transaction;
      return [isCleared, (await stored()).length];
    """
    once = "IDBDatabase.prototype.transaction = transaction;"
    assert run(page, script.replace("LOSE", "")) == [False, 8]
    assert run(page, script.replace("LOSE", once)) == [True, 0]


FORBID = {
    "no IndexedDB": "Object.defineProperty(window, 'indexedDB', { value: undefined });",
    "refused": """
      IDBFactory.prototype.open = () => { throw new DOMException('', 'SecurityError'); };
    """,
    "full": """
      IDBObjectStore.prototype.put = () => { throw new DOMException('', 'QuotaExceededError'); };
    """,
    "no sessionStorage": """
      Object.defineProperty(window, 'sessionStorage', {
        get() { throw new DOMException('', 'SecurityError'); },
      });
    """,
    "no locks": "Object.defineProperty(navigator, 'locks', { value: undefined });",
}


def test_photos_stay_in_memory_if_the_browser_stores_nothing(visit: Visit, run: Any) -> None:
    page = visit()
    script = """
      const recents = open();
      await recents.add(entry("a"));
      await recents.add(entry("b"));
      const found = await recents.find({ token: "a" });
      const listed = await ids(recents);
      await recents.clear();
      return [listed, found.id, await ids(recents)];
    """
    for cause, forbid in FORBID.items():
        assert run(page, forbid + script) == [["b", "a"], "a", []], cause
        page.reload()


def test_page_works_with_a_full_quota(visit: Visit, run: Any, app: DeviceApp) -> None:
    page = visit()
    devtools = page.context.new_cdp_session(page)
    origin = page.evaluate("origin")
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 100_000})
    result = run(
        page,
        """
        const recents = open();
        await recents.add(entry("large", { photo: new Blob([new Uint8Array(5_000_000)]) }));
        await recents.add(entry("small"));
        return [await ids(recents), (await get(recents, "large")).photo.size];
        """,
    )
    assert result == [["small", "large"], 5_000_000]
