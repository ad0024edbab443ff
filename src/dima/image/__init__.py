"""The image engine: networks and samplers of pixels (PyTorch)."""
