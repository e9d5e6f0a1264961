"""A conversation at a terminal or in a pipe."""
