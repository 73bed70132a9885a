"""A look into networks: how they are built, what their dynamic kernels do, where their gains come from.

Here: traces, diagrams, interventions, and the rows and figures of each.
Not here: scores of whole methods (`hdsr.measure`), judgements (`hdsr.scorecard`).
"""
