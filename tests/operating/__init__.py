"""Loupe as it is operated: several processes, a database and a proxy."""
