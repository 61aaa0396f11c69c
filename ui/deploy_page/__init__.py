"""The parts of the Deploy page: requirements, the ranking, and how this app fits each host."""
