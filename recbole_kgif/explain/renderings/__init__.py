"""An explanation as text, DOT, figure and HTML page, without PyTorch."""
