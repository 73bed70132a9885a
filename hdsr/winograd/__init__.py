"""Convolutions of 64 channels in float32 on a CPU, with a quarter of the products.

Here: the transforms, the kernel that numba compiles, its machine code on disk, and when all that serves.
Not here: networks, and what serves where this does not (`hdsr.inference`).
"""
