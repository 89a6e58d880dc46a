"""Examination of an installation and of data sets."""
