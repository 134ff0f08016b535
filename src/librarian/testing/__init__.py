"""For the tests of an application that has the library in its own process.

    from librarian.testing.world import World

    world = World({"librarian.site": ".../tests.zcml"})
    world.begin()                           # before every test: an empty tree, no bytes, the clock set back
    world.clock.move(days=8)                # time passes
    world.request("GET", "http://localhost:8000/1/a.txt").status
    world.end()

`world` has the application with its tree and its bytes in memory, `clock` the time that is moved by hand,
`application` requests that are answered by the application itself, without a port.  ``site.zcml`` registers
all of them; the site of an application's tests includes it in place of the clock, the network, the bytes
and the tree of a real one, and then includes its systems and endpoints as its own site does.
"""
