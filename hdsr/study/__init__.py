"""A look into networks: how they are built, what their dynamic kernels do, where their gains come from.

Where a module measures, its `measure_…` fills a file of rows, which its `table` and `drawing` show.

Here: traces, diagrams, interventions, with the rows and figures of each; a training run and a way of
measuring followed step by step in a notebook.
Not here: scores of whole methods (`hdsr.measure`), judgements (`hdsr.scorecard`).
"""
