"""A model's card on the Models page: counts, charts, figures, versions."""
