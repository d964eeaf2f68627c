"""The finite scalar quantizer: ids and codes are the same thing."""

import pytest
import torch

from toktalk_node.tokens.fsq import FiniteScalarQuantizer


def test_every_id_comes_back_from_its_codes():
    quantizer = FiniteScalarQuantizer((3, 4, 5))
    ids = torch.arange(quantizer.size)
    codes = quantizer.codes(ids)
    assert torch.equal(quantizer.ids(codes), ids)
    assert len(torch.unique(codes, dim=0)) == 60
    assert codes.min() == -1 and codes.max() == 1


def test_quantizing_gives_codes_and_lets_gradients_through():
    quantizer = FiniteScalarQuantizer((5, 5))
    x = torch.randn(100, 2, requires_grad=True)
    codes = quantizer(x)
    assert torch.allclose(quantizer.codes(quantizer.ids(codes)), codes, atol=1e-6)
    codes.sum().backward()
    assert (x.grad > 0).all()


def test_a_dimension_of_one_level_is_refused():
    with pytest.raises(ValueError, match="at least 2 levels"):
        FiniteScalarQuantizer((5, 1))
