"""Whether the setup works and models answer."""
