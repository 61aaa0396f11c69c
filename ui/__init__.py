"""What the pages share: the frame, capture, results, charts, words."""
