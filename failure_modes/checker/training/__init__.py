"""Katas: a learner mends a broken policy in a file of their own, and the checker judges it.

A kata is the data of one failure mode that a learner needs: a story, hints, a requirement. It lives in
`kata.py` in the folder of the failure mode. The code of the learner is judged by a proof and is never
compared with a solution. It runs in a process of its own, so it cannot stop or change the checker. Nothing
here writes into the checkout.
"""
