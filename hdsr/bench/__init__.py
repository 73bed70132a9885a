"""`make bench`: speed, memory and their growth, as ratios.

Here: a file for each part, one for their rows, one for the pages of them.
Not here: times of the paper's Table VI (`hdsr.measure.runtime`); the command line.
"""
