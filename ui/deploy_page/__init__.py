"""The parts of the Deploy page: wishes, the ranking, this app beside the hosts' limits."""
