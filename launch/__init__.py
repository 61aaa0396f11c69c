"""``make run``, ``make share`` and ``make phone``: start the app and print its address."""
