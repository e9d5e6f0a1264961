"""Settings: where they come from, what is in force, and how they are changed."""
