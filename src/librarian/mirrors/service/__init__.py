"""The registry as utilities, and its stored objects bound to what they need.

`sets` has the utilities and `bound` the objects that they hand out; `probe_logs` keeps logs in the library,
`notices` sends mail to owners, `subtree` is the part of the database that belongs to mirrors.
"""
