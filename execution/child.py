"""The other side of `call_in_process`, run as a file: reads a call from standard input, writes what it gave."""

import os
import pickle
import sys

if __name__ == "__main__":
    # the parent's modules, and none of this folder by their bare names
    sys.path[:] = pickle.load(sys.stdin.buffer)
    # what libraries print must not get between the bytes of the answer
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from zoosmith.execution.parent import end_on_request, end_with_parent, wait_for_reader

    end_on_request()
    end_with_parent(lambda: wait_for_reader(answer.fileno()))
    function, arguments, named = pickle.load(sys.stdin.buffer)
    try:
        outcome = pickle.dumps((True, function(*arguments, **named)))
    except Exception as error:
        outcome = pickle.dumps((False, error))
    with answer:
        answer.write(outcome)
