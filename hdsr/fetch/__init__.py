"""What others have published, and how it comes here.

Here: manifests of files with their hashes, downloads, what of it is there.
Not here: reading images or weights; nothing that needs a network of layers.
"""
