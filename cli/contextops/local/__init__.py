"""The embedded demo model, run by llama.cpp's own server as a child process."""

from contextops.local.engine import Engine, random_key, running_engine, serving_engine
from contextops.local.listener import Listener, claim_listener
from contextops.local.weights import default_model_file, model_id

__all__ = [
    "Engine",
    "Listener",
    "claim_listener",
    "default_model_file",
    "model_id",
    "random_key",
    "running_engine",
    "serving_engine",
]
