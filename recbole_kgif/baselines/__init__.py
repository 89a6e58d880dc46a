"""Recommenders of our own beside RecBole's."""
