"""From a configuration to weights that describe themselves.

Here: configurations, training images, patches, losses, optimizers, the loop.
Not here: what is told of runs afterwards (`hdsr.report`), timings of steps (`hdsr.measure`).
"""
