"""Power cuts: every state of the disk that one may leave, made from a trace, opened and judged.

recording   runs a scene under strace
trace       the trace as operations on the files of a folder
operations  the operations, and a disk that they are done to
states      which operations a power cut may lose, and the disks that this leaves
scenes      what the library does while it is recorded, and what it acknowledges
judging     opens a disk as a server does, and compares it with what was acknowledged
exploring   many states of many scenes, and what was found
"""
