"""Baselines of our own, in addition to RecBole's models."""
