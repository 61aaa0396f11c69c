"""``visit/recents.mjs`` in Chromium: kept and expired photos, and a browser without storage."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.device_app import DeviceApp

pytestmark = pytest.mark.quick

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
  const fill = async () => {
    const recents = open();
    for (let number = 0; number < 10; number++) await recents.add(entry(`p${number}`));
    await until(["p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"]);
    return recents;
  };
  SCRIPT
}
"""


class Tab:
    """A page of the app's origin, in which scripts run."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url
        page.goto(f"{url}manifest.webmanifest")

    def run(self, script: str, scope: str = "session") -> Any:
        """Run a script in the page, and return its result."""
        return self.page.evaluate(
            SETUP.replace("SCRIPT", script), {"page": self._url, "scope": scope}
        )

    def list_ids(self, scope: str = "session") -> Any:
        """Return the ids of the stored photos, newest first."""
        return self.run("return ids(open());", scope)


@pytest.fixture
def open_tab(new_page: Callable[[], Page], app: DeviceApp) -> Callable[..., Tab]:
    """Return a function that opens a tab; by default in a fresh profile."""

    def come(context: BrowserContext | None = None) -> Tab:
        return Tab(context.new_page() if context else new_page(), app.url)

    return come


@pytest.fixture
def tab(open_tab: Callable[..., Tab]) -> Tab:
    return open_tab()


def test_newest_eight_survive_a_reload_with_photo_answer_and_link(tab: Tab) -> None:
    tab.run("await fill();")
    tab.page.reload()
    script = """
      const recents = open();
      const found = await recents.find({ token: "p9" });
      const other = await recents.find({ token: "x" });
      return [await ids(recents), await found.photo.text(), found.answer, other];
    """
    answer = {"headline": ["A ", {"label": "قميص"}], "token": "p9"}
    assert tab.run(script) == [[f"p{at}" for at in range(9, 1, -1)], "photo p9", answer, None]


def test_photo_that_is_identified_again_is_kept_once(tab: Tab) -> None:
    script = """
      const recents = open();
      const added = ["a", "b", "a"].map((id, place) => entry(id, { alt: `${place}` }));
      await Promise.all(added.map((one) => recents.add(one)));
      await until(["a", "b"]);
      return [await ids(recents), (await get(recents, "a")).alt];
    """
    assert tab.run(script) == [["a", "b"], "2"]


def test_session_keeps_photos_for_one_tab_until_it_is_closed(open_tab: Callable[..., Tab]) -> None:
    first = open_tab()
    first.run("window.recents = await fill();")
    second = open_tab(first.page.context)
    assert second.list_ids() == []
    kept = ["other", *(f"p{number}" for number in range(2, 10))]
    second.run(f"await open().add(entry('other')); await until({kept});")
    # An open tab keeps its photos; those of a closed one go when the app is opened next.
    first.page.close()
    third = open_tab(second.page.context)
    assert third.run("const list = await ids(open()); await until(['other']); return list;") == []
    assert second.list_ids() == ["other"]


LATER = "const now = Date.now(); Date.now = () => now + %d * 3_600_000; return ids(%s);"


def test_day_is_for_all_tabs_and_expires(open_tab: Callable[..., Tab]) -> None:
    first = open_tab()
    first.run("await open().add(entry('a')); await until(['a']);", "day")
    second = open_tab(first.page.context)
    assert second.list_ids("day") == ["a"]
    assert second.run(LATER % (23, "open()"), "day") == ["a"]
    assert first.run(LATER % (25, "open()"), "day") == []
    first.run("await until([]);")


def test_day_expires_in_an_open_page(tab: Tab) -> None:
    tab.run("window.recents = open(); await recents.add(entry('a')); await until(['a']);", "day")
    assert tab.run(LATER % (25, "recents"), "day") == []
    tab.run("await until([]);")


def test_no_more_than_eight_of_all_tabs_are_stored(tab: Tab) -> None:
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
    assert tab.run(script, "day") == 8


def test_clearing_deletes_everything(open_tab: Callable[..., Tab]) -> None:
    first = open_tab()
    first.run("window.recents = await fill();")
    second = open_tab(first.page.context)
    assert second.run("await open().clear(); return stored();") == []
    pause = "await new Promise((resolve) => setTimeout(resolve, 20));"
    first.run(f"while ((await ids(window.recents)).length) {pause}")
    first.page.reload()
    assert first.list_ids() == []


def test_clearing_after_a_lost_connection_works_or_fails_visibly(tab: Tab) -> None:
    script = """
      const recents = await fill();
      const { transaction } = IDBDatabase.prototype;
      IDBDatabase.prototype.transaction = function (...all) {
        LOSE
        this.close();
        return transaction.apply(this, all);
      };
      const isCleared = await recents.clear();
      IDBDatabase.prototype.transaction = transaction;
      return [isCleared, (await stored()).length];
    """
    once = "IDBDatabase.prototype.transaction = transaction;"
    assert tab.run(script.replace("LOSE", "")) == [False, 8]
    assert tab.run(script.replace("LOSE", once)) == [True, 0]


ERROR = "throw new DOMException('', '%s');"
FORBID = {
    "no IndexedDB": "Object.defineProperty(window, 'indexedDB', { value: undefined });",
    "refused": f"IDBFactory.prototype.open = () => {{ {ERROR % 'SecurityError'} }};",
    "full": f"IDBObjectStore.prototype.put = () => {{ {ERROR % 'QuotaExceededError'} }};",
    "no sessionStorage": f"""
      Object.defineProperty(window, 'sessionStorage', {{ get() {{ {ERROR % "SecurityError"} }} }});
    """,
    "no locks": "Object.defineProperty(navigator, 'locks', { value: undefined });",
}


def test_photos_stay_in_memory_if_the_browser_stores_nothing(tab: Tab) -> None:
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
        assert tab.run(forbid + script) == [["b", "a"], "a", []], cause
        tab.page.reload()
    # With a full quota, which takes the small photo alone.
    devtools = tab.page.context.new_cdp_session(tab.page)
    origin = tab.page.evaluate("origin")
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 100_000})
    script = """
      const recents = open();
      await recents.add(entry("large", { photo: new Blob([new Uint8Array(5_000_000)]) }));
      await recents.add(entry("small"));
      return [await ids(recents), (await get(recents, "large")).photo.size];
    """
    assert tab.run(script) == [["small", "large"], 5_000_000]
