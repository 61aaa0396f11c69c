"""The hosts for Loupe: a description of the app, one of each host, and the files for each.

``python -m deploy list`` shows the hosts. To add one, write a module in ``deploy/hosts/`` with
``HOST``, and add it to the table there.

Nothing is imported here, because ``python -m deploy.health`` runs every 30 seconds.
"""

__all__: list[str] = []
