"""The Models page: a model's card with its figures, charts and versions."""
