"""The network to play with in JupyterLab: one image, one network, everything that happens in between.

`subjects` are the images, `look` is what the network makes of one, `pictures` are what is seen of that; none
of these needs a browser. `widgets` are the parts of the page that know the pointer, `panel` puts all together.
"""
