"""The Batch page: uploads, jobs and their cache, table and view."""
