"""Synthetic networks, and what the reads cost on them."""
