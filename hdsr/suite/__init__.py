"""The notebooks as a whole: parameters, execution, web pages, what is compared and published.

Here: `python -m hdsr.suite`, which the Makefile calls, and what it needs.
Not here: numbers; nothing below imports from here, and nothing here loads torch by itself.
"""
