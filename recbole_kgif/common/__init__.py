"""What every room may use: whole files, package data, settings of the process."""
