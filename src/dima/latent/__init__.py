"""The latent engine: the project's one vector diffusion model (JAX)."""

import os

# On a GPU shared with PyTorch, JAX must not take the memory whole; a user's own setting wins.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
