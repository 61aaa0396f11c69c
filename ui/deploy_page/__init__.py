"""The parts of the Deploy page: the questions, the hosts that match, and the way to each."""
