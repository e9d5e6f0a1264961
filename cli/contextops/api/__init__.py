"""The server's API: requests out, models and the pieces of an answer in."""
