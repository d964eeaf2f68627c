"""The motion model: tokens' embeddings in, face motion out, by conditional flow matching.

`config` the sizes, `unet` the velocity network, `flow` the path and the loss, `solver` the sampler,
`decoder` chunk-wise streaming, `checkpoint` the files. All but `checkpoint` are functions of tensors.
"""
