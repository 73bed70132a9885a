"""Every claim of the paper with a verdict.

Here: claims, the rows that may judge them, and the rules of judging.
Not here: measuring; a claim reads rows that others have made.
"""
