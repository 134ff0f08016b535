"""The layout of many machines, on one: `make cluster` and `make cluster-stop`.

PostgreSQL has the tree, OpenStack Swift the bytes, two nodes with two workers each serve them, and nginx
deals the requests out.  `layout` says where each has its files and ports, `storage`, `database`, `nodes` and
`front` what each is told, `parts` starts and ends one, `cluster` all, and `keeper` stays with them in the
background.
"""
