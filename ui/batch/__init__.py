"""Many photos at once: ways in, work, measures, table, screen."""
