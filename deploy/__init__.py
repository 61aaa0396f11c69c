"""Where Loupe runs: a description of the app, one of each host, and their files.

``python -m deploy list`` shows the hosts. To add one: a module in ``deploy/hosts/``
with ``HOST``, and a schema of its manifest in ``deploy/schemas/``.

Nothing is imported here: ``python -m deploy.health`` runs every half minute.
"""

__all__: list[str] = []
