"""Photos to train on: found, scanned, reported on and split."""
