"""``owner``: a link that signs the owner in to the workshop."""

import click

from ..settings import settings
from ..sign_ins import LINK_LIFETIME, sign_ins
from ..text import count_of


@click.command("owner")
@click.option(
    "--url",
    default=lambda: str(settings().url or "http://localhost:8501"),
    help="The app's address; default: LOUPE_URL, else http://localhost:8501.",
)
@click.option("--revoke", is_flag=True, help="End all links and sign-ins instead.")
def owner_command(url: str, revoke: bool) -> None:
    """Print a link that opens the owner's workshop, once, within 15 minutes."""
    if revoke:
        count = sign_ins().revoke_all()
        click.echo(f"Signed out: {count_of(count, 'browser')}. All links are void.")
        return
    click.echo(link_for(url))
    minutes = int(LINK_LIFETIME.total_seconds() // 60)
    click.echo(f"It works once, within {minutes} minutes. Whoever opens it is the owner.", err=True)


def link_for(url: str) -> str:
    """Return a new link for the app at an address."""
    return f"{url.rstrip('/')}/owner/{sign_ins().create_link()}"
