"""Exports of bundles to other formats, each checked against the original."""
