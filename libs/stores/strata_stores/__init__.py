"""Adapters: the only place with drivers. One store never imports another; `factory` picks by URL."""
