"""The admission queue, in which CPU-bound work on photos waits until a core is free.

Pages, the API and batches wait in a lane each. One deadline covers a photo's whole wait: if its
header shows that it is large, it may have to trade its slot for a place in the line of large
photos, and the time it has already waited counts.
"""

from .bounded_queue import AdmissionQueue, Submission, admission_queue
from .place import AdmissionCancelled, Lane, Timeout, local_slot

__all__ = [
    "AdmissionCancelled",
    "AdmissionQueue",
    "Lane",
    "Submission",
    "Timeout",
    "admission_queue",
    "local_slot",
]
