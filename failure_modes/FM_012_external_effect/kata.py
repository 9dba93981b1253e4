"""FM_012 external effect: the kata."""

from failure_modes.checker import Bounds, Kata, Scope, Settings

KATA = Kata(
    order=30,
    story="Lucia's donation was charged three times. The payment gateway charged her card; the worker died "
    "before it could write that down; so the job was tried again, and again. Each try sent the gateway an "
    "idempotency key, as its manual says.",
    in_public="in July 2026 customers of Akash Console were charged two or three times for one purchase: "
    "each retry reached Stripe as a new payment, because no key said that it was a retry.",
    address="https://github.com/akash-network/console/pull/3449",
    question="The gateway charges once for each key. How many keys does one job send, when it is tried "
    "three times?",
    place="Look at what the key is made of: which part of it differs from attempt to attempt?",
    requirement="All attempts at one job send the same key to the gateway, whichever worker makes them, "
    "and two jobs never send the same key.",
    also=((Scope(workers=1, settings=Settings(external=True)), Bounds(jobs=2)),),
)
