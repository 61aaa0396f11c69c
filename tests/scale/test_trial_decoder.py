"""``scale.trial_decoder``: a photo that never comes out of the decoder."""

import os
import signal
from io import BytesIO

from scale.trial_decoder import TrialDecoder
from tests.model.tiny import colour


def test_decoder_that_hangs_counts_as_one_that_crashes() -> None:
    photo = BytesIO()
    colour("red").save(photo, "PNG")
    decoder = TrialDecoder(8)
    assert not decoder.crashes(photo.getvalue())
    hanging, decoder.seconds = decoder.process, 0.1
    assert hanging.pid is not None
    os.kill(hanging.pid, signal.SIGSTOP)
    assert decoder.crashes(photo.getvalue())
    assert not hanging.is_alive()
    # The next photo gets a process of its own.
    decoder.seconds = 60
    assert not decoder.crashes(photo.getvalue())
