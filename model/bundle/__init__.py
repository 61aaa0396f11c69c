"""Model bundles on disk: manifest, model card, registry."""
