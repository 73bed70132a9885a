"""HDSRNet on a person's images: any file in, PNG out, within the memory there is.

Here: running a network on one image, strips that fit, whole folders, the ONNX file.
Not here: the folded network itself (`hdsr.inference`), scores.
"""
