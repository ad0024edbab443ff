"""The manifold engine: diffusion-map coordinates of vectors, and the kernel decoder back (NumPy/SciPy)."""
