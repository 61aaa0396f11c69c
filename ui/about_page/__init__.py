"""The parts of the About page: a photo's ways with their pictures, and what is kept."""
