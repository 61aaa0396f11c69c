"""IaaS: a fresh virtual machine on any cloud sets itself up from one file."""

from ..host import Budget, Expertise, Host, Kind, Plan, Traffic
from ..spec import AppSpec
from ..templates import SERVER_DIR, dump_yaml, push, use_own_repository
from . import vps_compose

FILE = "cloud-init.yaml"
SOURCE = "https://cloudinit.readthedocs.io/en/latest/reference/modules.html files\n"


def make_plan(app: AppSpec) -> Plan:
    """Return user data that clones the repository and starts its compose.yaml."""
    commands = (
        "curl -fsSL https://get.docker.com | sh",
        f"git clone --depth=1 YOUR-REPOSITORY {SERVER_DIR}",
        f"cd {SERVER_DIR} && echo SITE=YOUR.DOMAIN > .env",
        "(umask 077; echo LOUPE_SECRET=$(openssl rand -hex 32) > .env.loupe)",
        vps_compose.UP,
    )
    document = {
        "package_update": True,
        "package_upgrade": True,
        "packages": ["curl", "git", *(["git-lfs"] if app.git_lfs else []), "openssl"],
        "runcmd": [" && ".join(commands)],
    }
    comment = "User data for Debian 13 or Ubuntu 24.04, on one machine with 2 GB."
    files = vps_compose.make_plan(app).files
    return Plan(
        {FILE: "#cloud-config\n" + dump_yaml(document, comment), **files},
        f"""\
{use_own_repository("public")}
$ {push(*files)}
Create a machine with 2 GB (Debian 13 or Ubuntu 24.04), and cloud-init.yaml as its user data.
Open ports 80 and 443 in its firewall, and point YOUR.DOMAIN at its address.
Open https://YOUR.DOMAIN. If it doesn't answer, on the machine:
$ cloud-init status --wait; sudo tail /var/log/cloud-init-output.log
$ sudo docker compose --project-directory {SERVER_DIR} logs
""",
        f"{push(*files)} && ssh SERVER 'cd {SERVER_DIR} && sudo git pull && sudo {vps_compose.UP}'",
    )


HOST = Host(
    name="cloud-init",
    title="A virtual machine on any cloud",
    kind=Kind.IAAS,
    summary="EC2, Compute Engine, Azure, Hetzner and others: paste one file as user data.",
    price="By the hour for machine, disk and traffic, whether or not anyone visits.",
    budget=Budget.BY_USE,
    traffic=Traffic.THOUSANDS,
    expertise=Expertise.YES,
    own_domain=True,
    gpu=True,
    limits=vps_compose.HOST.limits,
    sources=SOURCE + vps_compose.HOST.sources,
    budget_alert=(
        "create a budget with an e-mail alert in the cloud's billing page before the machine "
        "(AWS Budgets, Google Cloud Budgets & alerts, Azure Cost Management)."
    ),
    remarks="""\
Limited to one machine: there is no autoscaling.
It is charged until it is deleted; its disk is charged even when it is off.
""",
    make_plan=make_plan,
    placeholders={
        "YOUR-REPOSITORY": "the https address of your repository, which the machine clones",
        "YOUR.DOMAIN": "the domain of the app",
        "SERVER": "what you type after ssh: debian@203.0.113.5, say",
    },
    github=True,
)
