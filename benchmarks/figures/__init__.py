"""One file a figure or a family of them; each is found by being here."""
