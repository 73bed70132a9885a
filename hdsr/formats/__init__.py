"""Weights in files of other programs, read without running anything that they hold.

Here: state dicts of PyTorch, its modules pickled long ago, MATLAB's and Caffe's arrays.
Not here: which network they are for (`hdsr.methods`), our own files (`hdsr.checkpoint`).
"""
