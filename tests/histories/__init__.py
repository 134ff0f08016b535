"""Histories: what concurrent clients asked and were answered, judged by a model of what they may see.

linearizable  whether a history can be explained by one order of its operations
history       operations, and the file that a client writes them to
models        what each kind of object is: an alias, a name of the tracker, a link, a quota, ...
subjects      the objects that a round works on
over_http     what clients do with them over HTTP
by_utilities  the same by the utilities, in processes of their own
bugs          faults that are planted, for the checker to find
faults        workers are killed, engines and servers started anew, clocks moved
rounds        installations, and rounds of operations with faults on each
"""
