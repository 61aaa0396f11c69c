"""``ui.batch.jobs``: lifetimes of batches, and their memory."""

import pytest

from tests.ui.batch.results import Clock
from ui.batch.jobs import Job, JobCache


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_job(clock):
    def make(memory_bytes=10, *, ended=True, watched=False):
        job = Job([], clock=clock)
        job.memory_bytes = memory_bytes
        if ended:
            job.start()
            assert job.wait(10)
        if watched:
            job.add_viewer("visitor", lambda: True)
        return job

    return make


def kept(cache, keys):
    return [cache.get(key) is not None for key in keys]


def test_batch_is_found_by_its_key_alone(make_job):
    cache = JobCache()
    job, other = make_job(), make_job()
    key, other_key = cache.add(job), cache.add(other)
    assert (cache.get(key), cache.get(other_key)) == (job, other)
    assert cache.get("") is None
    assert cache.get("guess") is None
    # 128 bits as URL-safe text.
    assert len(key) == 22


def test_finished_batch_expires_after_its_lifetime(make_job, clock):
    cache = JobCache(lifetime_seconds=1800)
    key = cache.add(make_job())
    clock.now = 1800
    cache.sweep()
    assert cache.get(key)
    clock.now = 1801
    cache.sweep()
    assert cache.get(key) is None


def test_watched_or_running_batch_does_not_expire(make_job, clock):
    cache = JobCache(lifetime_seconds=1800)
    keys = [cache.add(make_job(watched=True)), cache.add(make_job(ended=False))]
    clock.now = 10_000
    cache.sweep()
    assert kept(cache, keys) == [True, True]


def test_oldest_finished_batch_leaves_when_memory_is_full(make_job):
    cache = JobCache(max_bytes=30)
    keys = [cache.add(make_job()) for _ in range(5)]
    assert kept(cache, keys) == [False, False, True, True, True]


def test_unwatched_batch_leaves_before_an_older_watched_one(make_job, clock):
    cache = JobCache(max_bytes=20)
    keys = [cache.add(make_job(watched=True)), cache.add(make_job())]
    clock.now = 1
    keys.append(cache.add(make_job()))
    assert kept(cache, keys) == [True, False, True]


def test_running_batch_never_leaves_for_memory(make_job):
    cache = JobCache(max_bytes=20)
    keys = [cache.add(make_job(ended=False)) for _ in range(3)]
    keys.append(cache.add(make_job()))
    assert kept(cache, keys) == [True, True, True, True]


def test_newest_batch_stays_even_if_it_alone_is_too_large(make_job):
    cache = JobCache(max_bytes=20)
    keys = [cache.add(make_job(100)), cache.add(make_job(100))]
    assert kept(cache, keys) == [False, True]


def test_sweeper_ends_when_nothing_is_left(make_job, clock, monkeypatch):
    monkeypatch.setattr("ui.batch.jobs.SWEEP_SECONDS", 0.001)
    cache = JobCache(lifetime_seconds=1800)
    key = cache.add(make_job())
    sweeper = cache._sweeper
    clock.now = 1801
    sweeper.join(10)
    assert not sweeper.is_alive()
    assert cache.get(key) is None
    # The next batch gets a sweeper of its own.
    cache.add(make_job())
    assert cache._sweeper is not None
    # Let it end as well.
    clock.now = 5000
