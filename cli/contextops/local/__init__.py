"""The embedded demo model, run by llama.cpp's own server as a child process."""
