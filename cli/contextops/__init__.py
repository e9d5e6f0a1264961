"""The command line of ContextOps.AI and of any OpenAI-compatible server."""

__version__ = "0.1.0"
