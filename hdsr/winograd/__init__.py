"""Convolutions with their ReLU, those of 64 channels on a CPU with a quarter of the products.

Here: the transforms, the kernel that numba compiles, its machine code on disk, when all that
serves, and what serves where it does not.
Not here: networks.
"""
