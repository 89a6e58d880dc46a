"""The Python interface: train on data frames, and ask the trained model."""
