"""Work for many machines, in an environment of its own (``make scale``)."""
