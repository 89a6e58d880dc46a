"""From a checkpoint to production: export, scores from the export alone, a service.

`exporting` is the one module that needs PyTorch; all others work with the files of an
export, NumPy and SciPy.
"""
