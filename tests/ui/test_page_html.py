"""``ui.page_html``: the HTML page with the app's title, description and picture."""

from html.parser import HTMLParser
from io import BytesIO

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from model.answer.share_link import decode, encode
from model.bundle import get_bundle, registry
from model.settings import settings
from tests.model.tiny import tiny
from ui import link_preview, page_html
from ui.link_preview import PICTURE, draw_picture
from ui.navigation import PAGES
from ui.page_html import INDEX, page_routes

HOSTILE = [
    "</title><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "🐻‍❄️ & friends",
    "الفطر",
    r"\1 \g<0>",
]


DESCRIPTION = (
    "Point your phone at something. This model knows six things: red, green, blue and three more."
)


class Head(HTMLParser):
    """The title, the meta tags by name, and every tag of a page."""

    def __init__(self, text):
        super().__init__()
        self.title, self.meta, self.tags, self.text, self._open = "", {}, [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        self._open = tag
        if name := values.get("property") or values.get("name"):
            assert name not in self.meta
            self.meta[name] = values["content"]

    def tags_without(self, name):
        return [tag for tag in self.tags if tag != name]

    def handle_data(self, data):
        if self._open == "title":
            self.title += data.strip()
        self.text.append(data)


@pytest.fixture
def browse(models_dir, monkeypatch):
    """Start the routes: ``browse("/base", LOUPE_TITLE="Mushrooms")``."""
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    tiny(models_dir)

    def start(base_path="", **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        app = Starlette(routes=page_routes(base_path))
        return TestClient(app, base_url="http://app.example:8501")

    return start


def test_page_names_the_app_in_its_head(browse):
    response = browse().get("/")
    head = Head(response.text)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert head.title == head.meta["og:title"] == "Colours"
    assert head.meta["og:type"] == "website"
    assert head.meta["og:description"] == head.meta["description"] == DESCRIPTION
    # For those without JavaScript, and everything else is Streamlit's.
    assert head.tags.index("noscript") < head.tags.index("h1")
    rest, root, end = INDEX.read_text(encoding="utf-8").partition('<div id="root"></div>')
    heading = f'<section aria-label="Page"><h1 id="title">{head.title}</h1></section>'
    assert rest[-500:] + heading + root in response.text
    assert response.text.endswith(end)
    assert "<title>Streamlit" not in response.text


def test_every_page_has_its_title(browse):
    client = browse(LOUPE_TITLE="Mushrooms")
    for name, title in list(PAGES.items())[1:]:
        head = Head(client.get(f"/{name}").text)
        assert head.title == head.meta["og:title"] == f"{title} · Mushrooms"
    assert client.get("/static/js/none.js").status_code == 404


def test_preview_of_a_link_with_an_answer_names_no_other_address(browse):
    head = Head(browse(LOUPE_URL="https://example.org").get("/?answer=<b>").text)
    assert "og:url" not in head.meta
    assert "og:image" in head.meta
    assert "<b>" not in str(head.meta)


def test_preview_of_an_answer_says_and_draws_it(browse):
    client = browse(LOUPE_URL="https://example.org", LOUPE_DESCRIPTION="The owner’s.")
    token = f"tiny~{get_bundle('tiny').version}~ws~x~x~0-971_1-20"
    head = Head(client.get(f"/?answer={token}").text)
    assert head.title == head.meta["og:title"] == "Somebody’s phone said: red, about 97%"
    expected = "The link holds no photo. Point your own phone at something and see."
    assert head.meta["og:description"] == head.meta["description"] == expected
    assert head.meta["og:image"] == f"https://example.org/answer-preview.png?answer={token}"
    picture = client.get(head.meta["og:image"].removeprefix("https://example.org"))
    assert picture.content == draw_picture("Somebody’s phone said", "red", "about 97%")
    assert "max-age" in picture.headers["cache-control"]
    signed = encode(decode(token.replace("~ws~", "~c~")).prediction)
    head = Head(client.get(f"/?answer={signed}").text)
    assert head.title == "Loupe said: red, about 97%"
    assert head.meta["description"].startswith("The link holds no photo.")
    assert Head(client.get("/").text).meta["og:description"] == "The owner’s."


@pytest.mark.parametrize("token", [*HOSTILE, "~" * 9000, "tiny~000000000000~ws~x~x~0-971", "\0"])
def test_preview_of_a_bad_token_is_the_apps_own(browse, token):
    client = browse(LOUPE_URL="https://example.org")
    usual = Head(client.get("/").text).meta
    response = client.get("/", params={"answer": token})
    del usual["og:url"]
    assert Head(response.text).meta == usual
    assert token not in response.text
    picture = client.get("/answer-preview.png", params={"answer": token})
    assert picture.content == PICTURE.read_bytes()


def test_many_answers_do_not_fill_a_cache(browse):
    client = browse()
    client.get("/")
    before = page_html._page.cache_info()
    for share in range(500, 540):
        token = f"tiny~{get_bundle('tiny').version}~ws~x~x~0-{share}"
        assert "phone said: red" in client.get(f"/?answer={token}").text
        client.get(f"/answer-preview.png?answer={token}")
    assert page_html._page.cache_info() == before
    assert draw_picture.cache_info().currsize <= 32


@pytest.mark.parametrize("answer", ["W" * 60, "an antidisestablishmentarian " * 9, "Žlutý kůň"])
def test_picture_stays_within_its_margins(answer):
    with Image.open(BytesIO(draw_picture("Somebody’s phone said", answer, "97%"))) as image:
        assert (image.format, image.size) == ("PNG", (1200, 630))
        margins = [(0, 0, 1200, 69), (0, 0, 99, 630), (1101, 0, 1200, 630)]
        assert all(image.crop(box).getextrema() == ((255, 255),) * 3 for box in margins)


def test_apps_picture_replaces_one_whose_letters_the_font_lacks(browse, monkeypatch, tmp_path):
    assert [draw_picture("Loupe said", answer, "") for answer in ("金魚", "أحمر", "🐻")] == [
        None
    ] * 3
    monkeypatch.setattr(link_preview, "FONTS", tmp_path)
    client, token = browse(), f"tiny~{get_bundle('tiny').version}~ws~x~x~0-432"
    picture = client.get(f"/answer-preview.png?answer={token}")
    assert picture.content == PICTURE.read_bytes()


@pytest.mark.parametrize("title", HOSTILE)
def test_hostile_texts_are_escaped(browse, title):
    usual = Head(browse().get("/").text)
    client = browse(LOUPE_TITLE=title, LOUPE_DESCRIPTION=f"About {title}")
    head = Head(client.get("/").text)
    assert head.title == head.meta["og:title"] == title
    assert head.meta["og:description"] == head.meta["description"] == f"About {title}"
    # The name beside the icon may take two lines.
    assert head.tags_without("text") == usual.tags_without("text")
    assert title in "".join(head.text[-60:])


def test_first_screen_has_a_place_for_each_of_the_models_samples(browse, models_dir):
    client = browse()
    tiny(models_dir)
    places = {
        name: client.get(f"/?model={name}").text.count('class="first-sample"')
        for name in ("clothing", "imagenet", "tiny")
    }
    assert places == {"clothing": 5, "imagenet": 3, "tiny": 0}
    assert "Or try one of these" not in client.get("/?model=tiny").text
    text = client.get("/?model=imagenet").text
    assert "This model knows 1,000 things: banana, coffee mug, sunglasses and 997 more." in text


def test_hostile_model_is_escaped_on_the_first_screen(browse, models_dir):
    client = browse()
    tiny(models_dir, "usual")
    usual = Head(client.get("/?model=usual").text)
    tiny(models_dir, "hostile", title="</template><script>", labels=(*HOSTILE[:2], "$x", "a"))
    head = Head(client.get("/?model=hostile").text)
    assert head.title == "</template><script>"
    assert head.tags_without("meta") == usual.tags_without("meta")
    assert all(label[:25] in "".join(head.text) for label in HOSTILE[:2])


def test_no_header_of_a_request_is_repeated(browse):
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    text = browse().get("/", headers=headers).text
    assert "evil" not in text
    assert not {"og:url", "og:image", "twitter:card"} & Head(text).meta.keys()


def test_preview_has_the_address_in_the_settings(browse):
    client = browse(LOUPE_URL="https://example.org/mushrooms/")
    head = Head(client.get("/batch", headers={"Host": "inside:8501"}).text)
    assert head.meta["og:url"] == "https://example.org/mushrooms/batch"
    assert head.meta["og:image"] == "https://example.org/mushrooms/link-preview.png"
    assert head.meta["twitter:card"] == "summary_large_image"


def test_pages_are_below_the_base_path(browse):
    client = browse("/some/~/+")
    assert Head(client.get("/some/~/+/").text).title == "Colours"
    picture = client.get("/some/~/+/link-preview.png")
    assert picture.headers["content-type"] == "image/png"
    assert client.get("/").status_code == 404


def test_unchanged_page_is_not_sent_again(browse, models_dir):
    client = browse()
    first = client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["content-encoding"] == "gzip"
    assert int(first.headers["content-length"]) == first.num_bytes_downloaded < len(first.content)
    etag = first.headers["etag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        again = client.get("/", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    assert client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200
    # A new version of the model changes it at once.
    tiny(models_dir, title="New colours")
    changed = client.get("/", headers={"If-None-Match": etag})
    assert Head(changed.text).title == "New colours"
    assert changed.headers["etag"] != etag


def test_files_and_heads_are_sent_and_may_be_cached(browse):
    client = browse()
    get, head = client.get("/"), client.head("/")
    assert head.headers == get.headers
    assert client.post("/").status_code == 405
    picture = client.get(f"/{PICTURE.name}")
    assert picture.content == PICTURE.read_bytes()
    assert len(picture.content) < 60_000
    with Image.open(PICTURE) as image:
        assert (image.format, image.size) == ("PNG", (1200, 630))
    assert client.get("/favicon.png").headers["content-type"] == "image/png"


def test_page_opens_one_bundle(browse, monkeypatch):
    client, opened, real_open = browse(), [], registry.open_bundle
    monkeypatch.setattr(page_html, "monotonic", lambda: 1e9)
    # Fill the cache of the viewfinder's data, which opens every bundle.
    client.get("/")

    def count_opened(*names):
        opened.append(names)
        return real_open(*names)

    monkeypatch.setattr(registry, "open_bundle", count_opened)
    client.get("/")
    client.get("/?model=tiny")
    assert len(opened) == 2
