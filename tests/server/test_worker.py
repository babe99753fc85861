"""What a worker does with the policies it is given."""

from __future__ import annotations

import gc
import pickle

from parts.exchange import load

from policyd.language.verdict import Acl
from policyd.server.worker import Post, Worker
from policyd.settings import Settings


def test_policies_that_are_over_are_gone_at_once():
    policy = load("begin acl\nacl_check_rcpt:\n  accept acl = acl_of_this_test\nacl_of_this_test:\n  accept\n")
    worker = Worker(policy, Post("worker-0", None, None, Settings(), "", 0.0), None)
    gc.disable()
    try:
        for _ in range(5):
            worker._adopt(pickle.dumps(policy.snapshot))
        alive = [each for each in gc.get_objects() if isinstance(each, Acl) and each.name == "acl_of_this_test"]
    finally:
        gc.enable()
    assert len(alive) == 2  # the first one's, which is also here, and the last one's
