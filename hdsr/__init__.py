"""HDSRNet for image super-resolution: the network, its data sets, its metrics, and a reproduction of its paper."""
