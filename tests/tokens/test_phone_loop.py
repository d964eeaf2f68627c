"""The phone loop against the sum over all paths, written out."""

import itertools

import torch

from toktalk_node.speech.phones import INDEX, PHONES
from toktalk_node.tokens.phone_loop import PhoneLoop


def loop(seed: int = 0) -> PhoneLoop:
    generator = torch.Generator().manual_seed(seed)
    made = PhoneLoop()
    made.stay.copy_(torch.rand(made.stay.shape, generator=generator) * 0.5 + 0.25)
    made.follow.copy_(torch.rand(made.follow.shape, generator=generator).softmax(dim=-1))
    return made


def successors(made: PhoneLoop, state: tuple[int, int, int]) -> list[tuple[tuple[int, int, int], float]]:
    phone, before, third = state
    stay = float(made.stay[phone, third])
    if third < 2:
        return [(state, stay), ((phone, before, third + 1), 1 - stay)]
    follow = [((q, phone, 0), (1 - stay) * float(made.follow[phone, before, q])) for q in range(len(PHONES))]
    return [(state, stay), *follow]


def test_smoothed_posteriors_equal_the_sum_over_all_paths():
    made, frames, streams = loop(), 5, 1
    generator = torch.Generator().manual_seed(1)
    likelihoods = torch.rand(frames, streams, len(PHONES), len(PHONES), 3, generator=generator, dtype=torch.float64)
    belief, beliefs = made.start(streams), []
    for t in range(frames):
        belief = made(belief, likelihoods[t].float())
        beliefs.append(belief)
    answer = made.posteriors(torch.stack(beliefs), likelihoods.float(), 2)[0]

    silence = (INDEX["SIL"], INDEX["SIL"], 0)
    paths = [((silence,), 1.0)]
    for t in range(frames):
        longer = []
        for path, weight in paths:
            for state, chance in successors(made, path[-1]):
                longer.append(((*path, state), weight * chance * float(likelihoods[t, 0][state])))
        paths = longer
    for t, phone in itertools.product(range(2), range(len(PHONES))):
        share = sum(w for path, w in paths if path[t + 1][0] == phone) / sum(w for _, w in paths)
        assert abs(float(answer[t, phone]) - share) < 1e-5


def test_impossible_sound_leads_back_to_silence_and_not_to_nan():
    made = loop()
    belief = made(made.start(2), torch.zeros(2, len(PHONES), len(PHONES), 3))
    assert torch.isfinite(belief).all() and torch.allclose(belief.sum(dim=(1, 2, 3)), torch.ones(2))
