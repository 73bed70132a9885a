"""Measurements that end in rows: scores under several protocols, run time, operations.

Here: what computes, and the file of rows that it fills.
Not here: tables and figures of those rows (`hdsr.report`), verdicts (`hdsr.scorecard`).
"""
