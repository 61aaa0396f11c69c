"""Whether the app runs on a host: its files, its limits, and a real start to a first answer.

``checking.py`` reads the host's files back, ``starting.py`` finds out how the host starts the
app, ``running.py`` does it.
"""

__all__: list[str] = []
