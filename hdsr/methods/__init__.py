"""The networks that the paper compares HDSRNet with, one file each, and the registry of all methods.

Here: architectures, and readers of their authors' weights.
Not here: HDSRNet itself (`hdsr.network`), scores (`hdsr.evaluation`), tables.
"""
