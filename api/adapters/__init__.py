"""Routes that follow other platforms' contracts; ``routes()`` returns none on other platforms."""
