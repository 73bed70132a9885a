"""The networks that the paper compares HDSRNet with, one file each."""
