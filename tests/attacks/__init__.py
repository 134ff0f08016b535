"""Attacks, one file a class; the cases are made from the registered views, so that a new one is attacked too.

`world` has something in every system, and says where each kind of thing is; a new kind of context needs its
place there, and tests.attacks.test_world says so.
"""
