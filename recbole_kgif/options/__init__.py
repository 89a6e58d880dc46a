"""What may be set: names, defaults, values, protocols and devices."""
