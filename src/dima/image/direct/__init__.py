"""Images from noise in one step: pairs a teacher makes, the decoder learnt from them."""

from dima.image.direct.decoder import DirectDecoder, DirectDiffusion, DirectEncoder
from dima.image.direct.pairs import Pairs, PairsPlan, make_pairs

__all__ = ["DirectDecoder", "DirectDiffusion", "DirectEncoder", "Pairs", "PairsPlan", "make_pairs"]
