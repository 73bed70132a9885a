"""Rows as tables and figures.

Here: what is read and drawn; every function takes rows, or reads their file.
Not here: anything that runs a network or adds a row.
"""
