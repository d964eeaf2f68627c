"""The phone network: its stream computes what its whole pass computes."""

import torch

from toktalk_node.tokens.frontend import MEL, PROSODY
from toktalk_node.tokens.networks import PhoneNetwork, PhoneStream


def test_stream_equals_the_whole_pass_behind_zeros():
    torch.manual_seed(0)
    network = PhoneNetwork().eval()
    features = torch.randn(60, MEL + PROSODY)
    stream = PhoneStream(network)
    streamed = torch.cat([stream.step(part) for part in features.split(2)])
    with torch.no_grad():
        whole = network(torch.cat([torch.zeros(network.CONTEXT, MEL + PROSODY), features])[None])[0]
    assert torch.allclose(streamed, whole, atol=1e-5)
