"""One module per figure or family of figures; ``benchmarks()`` finds them all."""
