"""The network to play with in JupyterLab: one image, one network, everything that happens in between.

`subjects` are the images, `look` is what the network makes of one, `pictures` are what is seen of that, and
`still` is all of it in one figure; none of these needs a browser. `widgets` are what knows the pointer on the
page, `controls` are what can be chosen, and `panel` puts all together.

Here: what is shown and what answers a click.
Not here: what is computed for tables, whose rows outlast the page.
"""
