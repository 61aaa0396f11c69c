"""The parts of the Deploy page: the questions, the ranking, and the app's fit with each host."""
