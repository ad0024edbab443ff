"""What a user holds: the engines joined, with NumPy arrays across every border."""
