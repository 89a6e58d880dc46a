"""What every package may use: file access, package data, settings of the process."""
