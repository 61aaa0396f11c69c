"""A static host: GitHub Pages, a static Space, any web server; the models run in browsers."""

from ..host import Fit, Host, Limits, Plan
from ..spec import AppSpec
from ..templates import create_repository, push

GITHUB = "https://github.com/github/docs/blob/main"
PAGES = f"{GITHUB}/content/pages/getting-started-with-github-pages"
HUB = "https://github.com/huggingface/hub-docs/blob/main/docs/hub"
FOLDER = "build/static"
SPACE = "YOUR-NAME/loupe"


def make_plan(_: AppSpec) -> Plan:
    """Return the steps only: the page with its models is exported, not made from a description."""
    return Plan(
        {},
        f"""\
$ python -m http.server --directory {FOLDER}
Open http://localhost:8000 to try it. Then choose GitHub Pages, a Space, or another server.
GitHub Pages: push the folder to a public repository of its own, and in its Settings, Pages, \
choose the branch main. The page is at https://YOUR-NAME.github.io/loupe-page/.
{create_repository(FOLDER, "loupe-page")}
Static Space: upload the folder. The page is at https://huggingface.co/spaces/{SPACE}.
$ hf repos create {SPACE} --repo-type space --space-sdk static --exist-ok
$ hf upload {SPACE} {FOLDER} . --repo-type space --delete '*'
Another server: copy the folder to it, below any path. Without https, the page needs a network at \
each visit and can't use the live camera.""",
        push(folder=FOLDER),
    )


HOST = Host(
    name="static",
    title="A static host",
    kind="static files",
    summary="Nothing to look after: the model runs in each visitor's browser. Photos stay there, "
    "the page works offline after one visit, and it never sleeps.",
    price="Free on GitHub Pages (with a public repository) and as a static Space.",
    fit=Fit(budget="nothing", traffic="hundreds a day"),
    own_domain=True,
    limits=Limits(),
    sources=f"""\
{PAGES}/github-pages-limits.md price
{HUB}/spaces-config-reference.md files""",
    remarks="""\
Anyone can download the model.
GitHub Pages has a soft bandwidth limit of 100 GB a month.
GitHub Pages and static Spaces charge nothing; elsewhere, ask for an alert on traffic.
GitHub Pages takes files up to 100 MB, sites up to 1 GB, and no files in Git LFS.
In a Space, the page is in a frame of another domain, where some browsers keep nothing.
To update a Space, run its `hf upload` again.""",
    make_plan=make_plan,
    placeholders={"YOUR-NAME": "your name on GitHub or Hugging Face"},
    package="page",
)
