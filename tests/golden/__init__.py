"""What the package computed before a change, and has to compute after it."""
