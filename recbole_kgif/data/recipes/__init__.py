"""Recipes of data sets: Last.FM, KGAT's format, and plain CSV or TSV files."""
